-- Leaves places, unless a newer registration holds them, and lays tombstones that stop late beats.
-- KEYS    set version liveness...
-- ARGV    ttl life nonce channel, then for each liveness key: host stamp
-- returns for each a word: left, superseded, 'error <why>'

local ttl, life, nonce, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local t = topic()
local values = read()
renew(life)
local reply, changes = {}, {}
for i = 1, #values do
  local host, mine, value = ARGV[2 * i + 3], ARGV[2 * i + 4], values[i]
  if kind(value) == 'X' then
    reply[i] = 'error WRONGTYPE the liveness key holds something else'
  elseif value and stamp(value) > mine then
    reply[i] = 'superseded'
  else
    reply[i] = 'left'
    if not (kind(value) == 'T' and stamp(value) == mine) then
      redis.call('SREM', KEYS[1], host)
      redis.call('SET', KEYS[i + 2], 'T ' .. mine .. ' 0', 'PX', ttl)
      changes[#changes + 1] = { 'left', host, mine }
    end
  end
end
if #changes > 0 then step(t, changes, ttl, life, nonce, channel) end
return reply
