-- Tells who lives, and takes who does not out of the set: a look and an act in one, so that nobody who registers
-- between the two is lost.
-- KEYS    set liveness...
-- ARGV    ttl
-- returns for each how long it still lives, in milliseconds, or 0

local reply = {}
for i = 2, #KEYS do
  local ms, gone = left(KEYS[i], ARGV[1])
  if gone then redis.call('SREM', KEYS[1], KEYS[i]) end
  reply[i - 1] = ms
end
return reply
