-- Tells how long hosts of a topic stay without another beat, and the drains from outside.
-- KEYS    set version drains liveness...
-- returns time, drains, milliseconds for each liveness key, -1 if it is not one of a live host

redis.call('SREM', KEYS[1], '') -- refused by a replica, whose data may be old
local time = redis.call('TIME')
local left = {}
for i = 4, #KEYS do
  local kind = string.sub(redis.call('MGET', KEYS[i])[1] or '', 1, 1)
  left[i - 3] = tostring(kind == 'L' and redis.call('PTTL', KEYS[i]) or -1)
end
return { string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2])), redis.call('HGETALL', KEYS[3]), left }
