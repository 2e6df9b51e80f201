-- Beats registrations of topics of which nothing has changed since their last upsert, which was less than a minute ago and
-- gave set and version another life.
-- KEYS    for each topic: set version sweeper liveness...
-- ARGV    ttl topics notAfter, then for each topic: change n, and how many liveness keys
-- returns for each topic 1, or 2 where nobody sweeps it, or 0 where an upsert is needed; nothing where the call came late

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
if now > tonumber(ARGV[3]) then return {} end
-- The same moment for all, which Redis need not work out for each; and for each of many, a global is a look-up more.
local call, pcall, keys, args, tonumber = redis.call, redis.pcall, KEYS, ARGV, tonumber
local ends = string.format('%.0f', math.floor(now / 1000) + tonumber(args[1]))

-- touch renews the liveness keys, if the topic is as it was: no other version has its change.
local function touch(set, version, first, last, change, n)
  if pcall('HGET', version, 'c') ~= change or pcall('SCARD', set) ~= n then return false end
  for i = first, last do
    if call('PEXPIREAT', keys[i], ends) == 0 then return false end
  end
  return true
end

local reply, key, arg = {}, 1, 4
for topic = 1, tonumber(args[2]) do
  local last = key + 2 + tonumber(args[arg + 2])
  reply[topic] = touch(keys[key], keys[key + 1], key + 3, last, args[arg], tonumber(args[arg + 1]))
    and 2 - call('EXISTS', keys[key + 2]) or 0
  key, arg = last + 1, arg + 3
end
return reply
