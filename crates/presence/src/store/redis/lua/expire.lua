-- A deadline of a user may have passed: of a grace, or of the last heartbeat.
local till = grace()
if till then
  if till > now then return nothing(till - now) end
  redis.call('HDEL', presence, 'g')
  return offline(LOST)
end
local lives, remaining = alive()
if lives then return nothing(remaining) end
-- Fields of nodes that hold silent connections only: a heartbeat brings them back.
local fields = redis.call('HGETALL', presence)
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 1) == 'n' then redis.call('HDEL', presence, fields[i]) end
end
if redis.call('HGET', presence, 's') == 'online' then return offline(SILENT) end
return known_offline()
