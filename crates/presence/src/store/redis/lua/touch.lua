-- A client said that it is there: announced every time, changed or not.
--
-- ARGV[9]  how long that counts, in ms; empty: as long as the connection lasts
redis.call('HSET', presence, field, claim(ARGV[9]))
local result = online(0)
if result[1] == 1 then return result end
announce()
-- As nearly always; the version alone is a quarter of the answer to write and to read.
return result[2]
