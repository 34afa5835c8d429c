-- A node has no connection of a user any more that counts.
--
-- ARGV[9]  the grace in ms, in which the user may come back unnoticed; 0: none
-- ARGV[10] 1: the connection was closed; 0: its link was lost
local mine = redis.call('HGET', presence, field)
redis.call('HDEL', presence, field)
-- If it did not count any more, nobody was online by it.
if not counts(mine) or alive() then return nothing() end
local wait = tonumber(ARGV[9])
if wait > 0 then
  set_grace(now + wait, ARGV[2], wait)
  return nothing(wait)
end
return offline(ARGV[10] == '1' and CLOSED or LOST)
