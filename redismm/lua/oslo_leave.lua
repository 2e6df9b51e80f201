-- Leaves places, and ends registrations by name. The members of a topic that is called like one stay, without TTL.
-- KEYS    set liveness...
-- ARGV    ttl notAfter
-- returns the time, then for each a word: left, absent where nobody lived, 'error <why>'; or the time and late

local reply, late = begin(ARGV[2])
if late then return reply end
redis.call('SCARD', KEYS[1])
for i = 2, #KEYS do
  local member = KEYS[i]
  local mark = redis.pcall('SISMEMBER', member, '')
  if type(mark) == 'table' then
    reply[i] = 'error ' .. mark.err
  else
    reply[i] = left(member, ARGV[1]) > 0 and 'left' or 'absent'
    redis.call('SREM', KEYS[1], member)
    redis.call('SREM', member, '')
    redis.call('PERSIST', member)
  end
end
return reply
