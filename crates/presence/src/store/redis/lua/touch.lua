-- A client said that it is there: announced every time, changed or not.
--
-- ARGV[9]  how long that counts, in ms; empty: as long as the connection lasts
redis.call('HSET', presence, field, claim(ARGV[9]))
local result = online(0)
if result[1] == 0 then announce() end
return result
