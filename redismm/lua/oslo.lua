-- Shared by every script of the oslo layout; put before each when it is loaded.
-- KEYS[1] is always a topic's set of members, 'topic.host' each. A member is also the name of its liveness key: a
-- set with the empty string, the mark, in it, and a TTL. A topic that is called like a member has its set there too.

-- now is the server's time in microseconds.
local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

-- begin starts the reply of a script that writes, and says whether it comes too late to be executed.
local function begin(notAfter)
  local time = now()
  local late = tonumber(notAfter) > 0 and time > tonumber(notAfter)
  return { string.format('%.0f', time), late and 'late' or nil }, late
end

-- left is how long a member still lives, in milliseconds; 0 if it does not, and then whether it is gone, rather than
-- something else. A mark without TTL, which the original leaves behind where it dies between two trips, gets one.
local function left(member, ttl)
  local ms = redis.call('PTTL', member)
  if ms >= 0 then return math.max(ms, 1), false end
  if ms == -2 then return 0, true end
  local mark = redis.pcall('SISMEMBER', member, '')
  if mark ~= 1 then return 0, mark == 0 end
  redis.call('PEXPIRE', member, ttl)
  return tonumber(ttl), false
end
