-- Tells a watcher whether a topic is as it was.
-- KEYS    set version sweeper
-- returns epoch seq change n, the size of the set, who sweeps; '' for what is absent

redis.call('SREM', KEYS[1], '') -- refused by a replica, whose data may be old
local v = redis.call('HMGET', KEYS[2], 'e', 's', 'c', 'n')
return { v[1] or '', v[2] or '', v[3] or '', v[4] or '', tostring(redis.call('SCARD', KEYS[1])),
  redis.call('GET', KEYS[3]) or '' }
