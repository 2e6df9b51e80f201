-- Announces members that are listed and do not live. Removes nothing. A set that lost members gets a new epoch.
-- KEYS    set version liveness...
-- ARGV    ttl life nonce channel, then for each liveness key: host
-- returns how many are announced

local t = topic()
local changes = {}
if #KEYS > 2 then
  local values = read()
  local hosts = {}
  for i = 1, #values do hosts[i] = ARGV[i + 4] end
  local listed = redis.call('SMISMEMBER', KEYS[1], unpack(hosts))
  for i = 1, #values do
    if kind(values[i]) ~= 'L' and listed[i] == 1 then changes[#changes + 1] = { 'suspect', hosts[i] } end
  end
end
renew(ARGV[2])
if #changes > 0 or lost(t) then step(t, changes, ARGV[1], ARGV[2], ARGV[3], ARGV[4], #KEYS == 2) end
return #changes
