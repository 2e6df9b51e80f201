-- Registers and beats: writes the whole of each registration unless a newer one holds its place.
-- KEYS    set version liveness...
-- ARGV    ttl life notAfter nonce channel, then for each liveness key: host stamp rev record
-- returns time 'late', or
--         time epoch seq change n ('' for what is gone), then for each a word: ok joined replaced updated left,
--         'superseded <value>' with what holds the place, 'error <why>'

local ttl, life, nonce, channel = ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local time = now()
if time > tonumber(ARGV[3]) then return { whole(time), 'late' } end
local t = topic()
local values = read()
local hosts = {}
for i = 1, #values do hosts[i] = ARGV[4 * i + 2] end
local listed = redis.call('SMISMEMBER', KEYS[1], unpack(hosts))

local function verdict(value, mine, rev)
  if not value then return 'joined' end
  local k = kind(value)
  if k == 'X' then return 'error WRONGTYPE the liveness key holds something else' end
  local theirs = stamp(value)
  if theirs > mine then
    if k == 'T' and string.find(rest(value), ' name', 1, true) then return 'left' end
    return 'superseded ' .. value
  end
  if theirs < mine then return k == 'L' and 'replaced' or 'joined' end
  if k == 'T' then return 'left' end
  return tonumber(rev) > tonumber(string.match(rest(value), '^%d+')) and 'updated' or 'ok'
end

renew(life)
local reply, changes = {}, {}
-- The same moment for all, which Redis need not work out for each; and for each of many, a global is a look-up more.
local call, keys, args, ends = redis.call, KEYS, ARGV, whole(math.floor(time / 1000) + tonumber(ttl))
for i = 1, #values do
  local host, mine, rev, record = hosts[i], args[4 * i + 3], args[4 * i + 4], args[4 * i + 5]
  local told = 'L ' .. mine .. ' ' .. rev .. ' ' .. record
  local word = values[i] == told and 'ok' or verdict(values[i], mine, rev)
  if word == 'ok' then
    call('PEXPIREAT', keys[i + 2], ends)
    if listed[i] == 0 then
      redis.call('SADD', KEYS[1], host)
      local stored, kept = string.match(rest(values[i]), '^(%d+) (.*)$')
      changes[#changes + 1] = { 'up', host, mine, stored, kept }
    end
  elseif word == 'joined' or word == 'replaced' or word == 'updated' then
    redis.call('SET', KEYS[i + 2], told, 'PX', ttl)
    if listed[i] == 0 then redis.call('SADD', KEYS[1], host) end
    changes[#changes + 1] = { 'up', host, mine, rev, record }
  end
  reply[i + 5] = word
end
if #changes > 0 or lost(t) then step(t, changes, ttl, life, nonce, channel) end
reply[1], reply[2], reply[3], reply[4], reply[5] = whole(time), t.epoch or '', t.seq and whole(t.seq) or '', t.change or '', t.n and whole(t.n) or ''
return reply
