-- A node has the first connection of a user that counts, or has heard it again.
--
-- ARGV[9]  how long that counts, in ms; empty: as long as it lasts
redis.call('HSET', presence, field, claim(ARGV[9]))
return online(0)
