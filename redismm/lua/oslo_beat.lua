-- Registers and beats: writes whatever of a registration is not there, its TTL with it.
-- KEYS    set liveness...
-- ARGV    ttl notAfter
-- returns the time, then for each a word: kept, joined, 'error <why>'; or the time and late

local reply, late = begin(ARGV[2])
if late then return reply end
local ttl = ARGV[1]
redis.call('SCARD', KEYS[1]) -- fails here, with nothing written, where it is no set
for i = 2, #KEYS do
  local member = KEYS[i]
  local mark = redis.pcall('SISMEMBER', member, '')
  if type(mark) == 'table' then
    reply[i] = 'error ' .. mark.err
  else
    local listed = redis.call('SISMEMBER', KEYS[1], member) == 1
    reply[i] = listed and left(member, ttl) > 0 and 'kept' or 'joined'
    redis.call('PEXPIRE', member, ttl) -- first: a script that has written may go on writing when Redis is full
    if not listed then redis.call('SADD', KEYS[1], member) end
    if mark == 0 then
      redis.call('SADD', member, '')
      redis.call('PEXPIRE', member, ttl)
    end
  end
end
return reply
