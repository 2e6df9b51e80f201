-- Renews live registrations from outside. Creates nothing, and leaves tombstones alone.
-- KEYS    liveness...
-- ARGV    ttl
-- returns for each 1, or 0 where nobody lives

local reply = {}
for i, key in ipairs(KEYS) do
  local value = redis.pcall('GET', key)
  local lives = type(value) == 'string' and string.sub(value, 1, 2) == 'L '
  reply[i] = lives and redis.call('PEXPIRE', key, ARGV[1]) or 0
end
return reply
