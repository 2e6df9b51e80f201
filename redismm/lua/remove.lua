-- Removes whoever holds a place, by name: the tombstone tells its owner, and all who stand by.
-- KEYS    set version liveness
-- ARGV    ttl life nonce channel host
-- returns left, or absent

local t = topic()
local value = read()[1]
if kind(value) ~= 'L' then return 'absent' end
renew(ARGV[2])
redis.call('SREM', KEYS[1], ARGV[5])
redis.call('SET', KEYS[3], 'T ' .. stamp(value) .. ' 0 name', 'PX', ARGV[1])
step(t, { { 'left', ARGV[5], stamp(value) } }, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return 'left'
