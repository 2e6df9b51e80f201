-- Gives up the sweeping of a topic.
-- KEYS    sweeper
-- ARGV    who gives it up

if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
