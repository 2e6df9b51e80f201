-- Ends a registration as if its TTL had lapsed. A living owner is back with its next beat. To watchers it has left:
-- 'expired' is the word of sweepers, which watchers believe only of whom one has announced as a suspect.
-- KEYS    set version liveness
-- ARGV    ttl life nonce channel host
-- returns left, or absent

local t = topic()
local value = read()[1]
if kind(value) ~= 'L' then return 'absent' end
renew(ARGV[2])
redis.call('SREM', KEYS[1], ARGV[5])
redis.call('DEL', KEYS[3])
step(t, { { 'left', ARGV[5], stamp(value) } }, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return 'left'
