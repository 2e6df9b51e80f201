-- Sets or ends a drain from outside: an overlay beside the records, which belong to their owners.
-- KEYS    set version drains
-- ARGV    life nonce channel host until reason    until in microseconds of the server's time, 0 to end it
-- returns 1, or 0 where there was nothing to end

local time = now()
local t = topic()
local host, last = ARGV[4], tonumber(ARGV[5])
local drains = redis.call('HGETALL', KEYS[3])
renew(ARGV[1])
if last == 0 then
  if redis.call('HDEL', KEYS[3], host) == 0 then return 0 end
else
  redis.call('HSET', KEYS[3], host, ARGV[5] .. ' ' .. ARGV[6])
end
for i = 1, #drains, 2 do
  if drains[i] ~= host then
    local other = tonumber(string.match(drains[i + 1], '^%d+'))
    if other <= time then redis.call('HDEL', KEYS[3], drains[i]) else last = math.max(last, other) end
  end
end
redis.call('PEXPIREAT', KEYS[3], whole(math.ceil(last / 1000)))
step(t, { { 'drain', host, ARGV[5], ARGV[6] } }, ARGV[1], ARGV[2], ARGV[3])
return 1
