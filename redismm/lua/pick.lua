-- Picks one member that lives, is up and is not drained; eight draws. What is no record counts as up: who reads it sees.
-- KEYS    set drains
-- ARGV    none
-- returns host and value, or nothing where none was drawn

redis.call('SREM', KEYS[1], '') -- refused by a replica, whose data may be old
local drains, now = redis.call('EXISTS', KEYS[2]) == 1, nil

local function drained(host)
  local until_reason = drains and redis.call('HGET', KEYS[2], host)
  if not until_reason then return false end
  if not now then
    local t = redis.call('TIME')
    now = tonumber(t[1]) * 1000000 + tonumber(t[2])
  end
  return (tonumber(string.match(until_reason, '^%d+')) or 0) > now
end

local function up(value)
  if type(value) ~= 'string' or string.sub(value, 1, 2) ~= 'L ' then return false end
  if not string.find(value, '"state"', 1, true) then return true end -- up goes without saying
  local read, record = pcall(cjson.decode, string.match(value, '^L %S+ %d+ (.*)$'))
  return read and type(record) == 'table' and (record.state or 'up') == 'up'
end

for _ = 1, 8 do
  local host = redis.call('SRANDMEMBER', KEYS[1])
  if not host then return {} end
  local value = redis.pcall('GET', KEYS[1] .. '@' .. host)
  if up(value) and not drained(host) then return { host, value } end
end
return {}
