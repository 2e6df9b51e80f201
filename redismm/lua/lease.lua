-- Takes the lease of a topic's sweeper if it is free, and renews it if it is mine.
-- KEYS    sweeper
-- ARGV    id ttl
-- returns 1 if it is mine, else 0

if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
