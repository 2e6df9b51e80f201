-- Shared by every script that writes; put before each when it is loaded.
-- KEYS[1] is always the topic's set of hosts, KEYS[2] its version, a hash:
--   l layout   e epoch   s sequence number   c change id   n size of the set after the change
--   d until when it is doubted that all are there who live, in microseconds of the server's time
-- A liveness key holds 'kind stamp rev record'; the stamp has a fixed width.
--   L stamp rev record   lives          T stamp 0   has left          T stamp 0 name   removed by name

local LAYOUT = '1'

local function whole(n) return string.format('%.0f', n) end

-- now is the server's time in microseconds.
local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

-- topic reads the version and the size of the set.
local function topic()
  local v = redis.call('HMGET', KEYS[2], 'l', 'e', 's', 'c', 'n')
  if v[1] and v[1] ~= LAYOUT then
    error('MMLAYOUT ' .. KEYS[2] .. ' has layout ' .. v[1] .. ', this release writes layout ' .. LAYOUT)
  end
  return { epoch = v[2], seq = tonumber(v[3]), change = v[4], n = tonumber(v[5]), card = redis.call('SCARD', KEYS[1]) }
end

-- lost says whether the version, or a part of the set, is gone.
local function lost(t) return not (t.epoch and t.seq and t.change) or t.n ~= t.card end

local function kind(value) return value and string.sub(value, 1, 1) end

-- read returns the values of the liveness keys from KEYS[3] on; what somebody else wrote there is 'X'.
local function read()
  local values, first = redis.call('MGET', unpack(KEYS, 3)), string.byte
  for i = 1, #KEYS - 2 do
    local k = first(values[i] or '')
    if k ~= 76 and k ~= 84 and redis.call('EXISTS', KEYS[i + 2]) == 1 then values[i] = 'X' end -- neither L nor T
  end
  return values
end

local function stamp(value) return string.sub(value, 3, 31) end
local function rest(value) return string.sub(value, 33) end

-- renew keeps set and version for another life. It comes first: a script that has written may go on
-- writing when Redis is full.
local function renew(life)
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('PEXPIRE', KEYS[2], life)
end

local MESSAGE = 65536

-- gone says whether the index is gone: nobody can tell who was in it, until somebody beats, or a sweep has
-- waited for that in vain.
local function gone(t) return t.card == 0 and lost(t) end

-- step makes the changes one step of the version and tells the watchers. A change is
-- { what, host, stamp, rev, record }; too many for one message are left out, and watchers read. Where the index is
-- gone, and no change brings anybody into it, there is no step: it would say that nobody is there. A new epoch of a
-- topic that was known is doubted for a TTL, in which all who live are back, unless a sweep has waited for that.
local function step(t, changes, ttl, life, nonce, channel, swept)
  local nobody = gone(t) and redis.call('SCARD', KEYS[1]) == 0
  if nobody and not swept then return end
  local previous = t.change or ''
  if lost(t) then
    local doubted = not nobody and (t.epoch or t.card > 0)
    redis.call('HSET', KEYS[2], 'd', doubted and whole(now() + 1000 * ttl) or '0')
    t.epoch, t.seq, previous = nonce, 0, ''
  end
  t.seq, t.change, t.n = t.seq + 1, nonce, redis.call('SCARD', KEYS[1])
  redis.call('HSET', KEYS[2], 'l', LAYOUT, 'e', t.epoch, 's', whole(t.seq), 'c', t.change, 'n', t.n)
  renew(life)
  local size = 0
  for _, change in ipairs(changes) do
    for _, part in ipairs(change) do size = size + #part end
  end
  local message = { e = t.epoch, s = whole(t.seq), c = t.change, p = previous, n = whole(t.n) }
  if #changes > 0 and size <= MESSAGE then message.o = changes end
  redis.pcall('PUBLISH', channel, cjson.encode(message))
end
