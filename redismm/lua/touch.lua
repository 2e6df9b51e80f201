-- Beats registrations of which nothing has changed since their last upsert, which was less than a minute ago and gave set
-- and version another life.
-- KEYS    set version sweeper liveness...
-- ARGV    ttl change notAfter n
-- returns 1, or 2 where nobody sweeps the topic, or 0 where an upsert is needed

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
if now > tonumber(ARGV[3]) then return 0 end
if redis.call('HGET', KEYS[2], 'c') ~= ARGV[2] then return 0 end -- which no other version has
if redis.call('SCARD', KEYS[1]) ~= tonumber(ARGV[4]) then return 0 end
-- The same moment for all, which Redis need not work out for each; and for each of many, a global is a look-up more.
local call, keys, ends = redis.call, KEYS, string.format('%.0f', math.floor(now / 1000) + tonumber(ARGV[1]))
for i = 4, #keys do
  if call('PEXPIREAT', keys[i], ends) == 0 then return 0 end
end
return 2 - redis.call('EXISTS', KEYS[3])
