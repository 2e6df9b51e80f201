-- Reads a topic at one moment, for a reader whom changes kept from reading it in two trips.
-- KEYS    set version drains
-- ARGV    hosts shown by the reader...
-- returns time, version fields (e s c n d), drains, hosts of the set, shown hosts not in it, values of both in order

redis.call('SREM', KEYS[1], '') -- refused by a replica, whose data may be old
local time = redis.call('TIME')
local hosts = redis.call('SMEMBERS', KEYS[1])
local listed, others, keys, values = {}, {}, {}, {}
for i, host in ipairs(hosts) do
  listed[host] = true
  keys[i] = KEYS[1] .. '@' .. host
end
for _, host in ipairs(ARGV) do
  if not listed[host] then
    others[#others + 1] = host
    keys[#keys + 1] = KEYS[1] .. '@' .. host
  end
end
for first = 1, #keys, 1000 do
  local part = redis.call('MGET', unpack(keys, first, math.min(first + 999, #keys)))
  for i = 1, math.min(1000, #keys - first + 1) do values[first + i - 1] = part[i] or '' end
end
return { string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2])),
  redis.call('HMGET', KEYS[2], 'e', 's', 'c', 'n', 'd'), redis.call('HGETALL', KEYS[3]), hosts, others, values }
