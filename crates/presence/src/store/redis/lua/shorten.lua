-- Of several connections of a node the one last heard is gone: those left count for less long.
--
-- ARGV[9]  for how long, in ms
if counts(redis.call('HGET', presence, field)) then
  redis.call('HSET', presence, field, claim(ARGV[9]))
end
return nothing()
