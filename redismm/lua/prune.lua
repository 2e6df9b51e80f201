-- Unlists members that were absent at every sweep for a TTL, and names the stamp that was last seen of each.
-- KEYS    set version liveness...
-- ARGV    notAfter ttl life nonce channel, then for each liveness key: host stamp    '' for a stamp never seen
-- returns how many were unlisted, or -1 where the call came late

local time = now()
if time > tonumber(ARGV[1]) then return -1 end
local t = topic()
local values = read()
renew(ARGV[3])
local changes = {}
for i = 1, #values do
  local host = ARGV[2 * i + 4]
  if kind(values[i]) ~= 'L' and redis.call('SREM', KEYS[1], host) == 1 then
    changes[#changes + 1] = { 'expired', host, ARGV[2 * i + 5] }
  end
end
if #changes > 0 then step(t, changes, ARGV[2], ARGV[3], ARGV[4], ARGV[5]) end
return #changes
