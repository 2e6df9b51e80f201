-- Draws the generation of a new registration: larger than the server's time and than what stands in its place.
-- KEYS    liveness...
-- ARGV    none
-- returns time, then for each key max(time, generation + 1)

local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local reply = { string.format('%.0f', now) }
for i, key in ipairs(KEYS) do
  local value = redis.pcall('GET', key)
  local generation = type(value) == 'string' and tonumber(string.sub(value, 3, 18)) or 0
  reply[i + 1] = string.format('%.0f', math.max(now, generation + 1))
end
return reply
