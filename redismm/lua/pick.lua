-- Picks one member that lives, is up and is not drained; eight draws.
-- KEYS    set drains
-- ARGV    none
-- returns host and value, or nothing where none was drawn

local drained = redis.call('EXISTS', KEYS[2]) == 1
for _, host in ipairs(redis.call('SRANDMEMBER', KEYS[1], -8)) do
  local value = redis.pcall('GET', KEYS[1] .. '@' .. host)
  if type(value) == 'string' and string.sub(value, 1, 2) == 'L '
    and not string.find(value, '"state":', 1, true)
    and not (drained and redis.call('HEXISTS', KEYS[2], host) == 1) then
    return { host, value }
  end
end
return {}
