-- Sets or ends a drain from outside: an overlay beside the records, which belong to their owners.
-- KEYS    set version drains
-- ARGV    ttl life nonce channel host until reason    until in microseconds of the server's time, 0 to end it
-- returns 1, or 0 where there was nothing to end

local time = now()
local t = topic()
local host, last = ARGV[5], tonumber(ARGV[6])
local drains = redis.call('HGETALL', KEYS[3])
renew(ARGV[2])
if last == 0 then
  if redis.call('HDEL', KEYS[3], host) == 0 then return 0 end
else
  redis.call('HSET', KEYS[3], host, ARGV[6] .. ' ' .. ARGV[7])
end
for i = 1, #drains, 2 do
  if drains[i] ~= host then
    local other = tonumber(string.match(drains[i + 1], '^%d+'))
    if other <= time then redis.call('HDEL', KEYS[3], drains[i]) else last = math.max(last, other) end
  end
end
redis.call('PEXPIREAT', KEYS[3], whole(math.ceil(last / 1000)))
step(t, { { 'drain', host, ARGV[6], ARGV[7] } }, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return 1
