-- Draws a live member at random, and takes the dead that it draws out of the set. Reads keys that it does not
-- declare, so it is for a server that keeps all of them.
-- KEYS    set
-- ARGV    ttl, what members begin with
-- returns a list of the member; empty if there is none, of '' if none was drawn in as many draws

for _ = 1, 64 do
  local member = redis.call('SRANDMEMBER', KEYS[1])
  if not member then return {} end
  if string.sub(member, 1, #ARGV[2]) == ARGV[2] then
    local ms, gone = left(member, ARGV[1])
    if ms > 0 then return { member } end
    if gone then redis.call('SREM', KEYS[1], member) end
  end
end
return { '' }
