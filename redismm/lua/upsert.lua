-- Registers and beats: writes the whole of each registration unless a newer one holds its place.
-- KEYS    set version liveness...
-- ARGV    ttl life notAfter nonce channel, then for each liveness key what it is to hold: L stamp rev record
-- returns time 'late', or
--         time epoch seq change n ('' for what is gone), then for each a word: ok joined replaced updated left,
--         'superseded <value>' with what holds the place, 'error <why>'

local ttl, life, nonce, channel = ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local time = now()
if time > tonumber(ARGV[3]) then return { whole(time), 'late' } end
local t = topic()
local values = read()
local call, keys, args, sub = redis.call, KEYS, ARGV, string.sub -- for each of many, a global is a look-up more
local hosts, from = {}, #keys[1] + 2 -- where a liveness key names its host
for i = 1, #values do hosts[i] = sub(keys[i + 2], from) end
local listed = redis.call('SMISMEMBER', KEYS[1], unpack(hosts))

local function revision(value) return tonumber(string.match(rest(value), '^%d+')) end

local function verdict(value, told)
  if not value then return 'joined' end
  local k = kind(value)
  if k == 'X' then return 'error WRONGTYPE the liveness key holds something else' end
  local mine, theirs = stamp(told), stamp(value)
  if theirs > mine then
    if k == 'T' and string.find(rest(value), ' name', 1, true) then return 'left' end
    return 'superseded ' .. value
  end
  if theirs < mine then return k == 'L' and 'replaced' or 'joined' end
  if k == 'T' then return 'left' end
  return revision(told) > revision(value) and 'updated' or 'ok'
end

renew(life)
local reply, changes = {}, {}

-- up is the change that shows what a liveness key holds.
local function up(i, value)
  local rev, record = string.match(rest(value), '^(%d+) (.*)$')
  return { 'up', hosts[i], stamp(value), rev, record }
end

local ends = whole(math.floor(time / 1000) + tonumber(ttl)) -- one moment for all, which Redis need not work out for each
for i = 1, #values do
  local told = args[i + 5]
  local word = values[i] == told and 'ok' or verdict(values[i], told)
  if word == 'ok' then
    call('PEXPIREAT', keys[i + 2], ends)
    if listed[i] == 0 then
      call('SADD', keys[1], hosts[i])
      changes[#changes + 1] = up(i, values[i])
    end
  elseif word == 'joined' or word == 'replaced' or word == 'updated' then
    call('SET', keys[i + 2], told, 'PX', ttl)
    if listed[i] == 0 then call('SADD', keys[1], hosts[i]) end
    changes[#changes + 1] = up(i, told)
  end
  reply[i + 5] = word
end
if #changes > 0 or lost(t) then step(t, changes, ttl, life, nonce, channel) end
reply[1], reply[2], reply[3], reply[4], reply[5] = whole(time), t.epoch or '', t.seq and whole(t.seq) or '', t.change or '', t.n and whole(t.n) or ''
return reply
