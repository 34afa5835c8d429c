-- A node says again what it holds, because the server may have forgotten.
--
-- ARGV[9]  how long its connections count, in ms; empty: as long as they last; '-': it has none but a grace to end
-- ARGV[10] what remains of that grace, in ms
-- ARGV[11] 1: the server may have lost everything; a user that it does not know, and a server before it did, is no news
local known = redis.call('EXISTS', presence) == 1
-- Of somebody who came while the server could not be told, only that node's watchers know.
local was_told = ARGV[11] == '1' and ARGV[7] ~= '0'

-- The server has forgotten what watchers know.
local function remember()
  redis.call('HSET', presence, 's', 'online', 'v', string.format('%d', version()))
  say('online')
end

if ARGV[9] == '-' then
  local wait = tonumber(ARGV[10])
  -- The departure itself may be what the server has not heard of, or has lost.
  redis.call('HDEL', presence, field)
  -- One that has ended has not if the server's clock was set forward: the node knows what remains.
  if alive() or (grace() or 0) > now or wait <= 0 then return nothing() end
  if known and redis.call('HGET', presence, 's') ~= 'online' then return known_offline() end
  set_grace(now + wait, ARGV[2], wait)
  if known then
    say('online')
    return nothing(wait)
  end
  if not was_told then
    local result = change('online', 0)
    result[3] = wait
    return result
  end
  remember()
  return nothing(wait)
end
redis.call('HSET', presence, field, claim(ARGV[9]))
if not known and was_told then
  remember()
  return nothing()
end
return online(0)
