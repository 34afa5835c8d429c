-- A node is gone with its connections; there is no grace for those.
--
-- ARGV[9]  the node that cleans up after it
-- ARGV[10] 1: that node will end a grace that the lost one had to end
local till, keeper, length = grace()
if till and keeper == ARGV[2] then
  if till > now then
    if ARGV[10] == '1' then set_grace(till, ARGV[9], length) end
    return nothing(till - now)
  end
  redis.call('HDEL', presence, 'g')
  return offline(LOST)
end
local mine = redis.call('HGET', presence, field)
redis.call('HDEL', presence, field)
if till or alive() then return nothing() end
if counts(mine) then return offline(NODE_LOST) end
-- It died before it could say that its heartbeats had ceased.
if mine and redis.call('HGET', presence, 's') == 'online' then return offline(SILENT) end
return nothing()
