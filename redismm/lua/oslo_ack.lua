-- Renews live registrations from outside. Creates nothing.
-- KEYS    set liveness...
-- ARGV    ttl
-- returns for each 1, or 0 where nobody lives

local reply = {}
for i = 2, #KEYS do
  reply[i - 1] = left(KEYS[i], ARGV[1]) > 0 and redis.call('PEXPIRE', KEYS[i], ARGV[1]) or 0
end
return reply
