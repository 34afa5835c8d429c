-- A client said that it is there: announced every time, changed or not.
--
-- ARGV[9]  how long that counts, in ms; empty: as long as the connection lasts
local said = claim(ARGV[9])

-- As nearly always, all is known already, and only the word is to be stored again: half of what it takes to make it so.
local held, status_said, ends = unpack(redis.call('HMGET', presence, field, 's', 'g'))
local is_known = held and status_said == 'online' and not ends and before and before >= tonumber(ARGV[7])
if is_known and redis.call('GET', status) == 'online' then
  if held ~= said then redis.call('HSET', presence, field, said) end
  -- Stored again rather than prolonged: as the original does, for programs that listen to the key.
  say('online')
  announce()
  -- The version alone is a quarter of the answer to write and to read.
  return before
end

redis.call('HSET', presence, field, said)
local result = online(0)
if result[1] == 1 then return result end
announce()
return result[2]
