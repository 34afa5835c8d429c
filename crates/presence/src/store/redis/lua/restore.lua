-- A node says again what it holds, because the server may have forgotten.
--
-- ARGV[7]  how long its connections count, in ms; empty: as long as they last; '-': it has none but a grace to end
-- ARGV[8]  what remains of that grace, in ms
-- ARGV[9] 1: the server has lost everything; watchers were told long ago, and nothing is news
local known = redis.call('EXISTS', presence) == 1
if ARGV[7] == '-' then
  local wait = tonumber(ARGV[8])
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
  -- Somebody came and lost the link again while the server could not be told: only this node's watchers know.
  if ARGV[9] ~= '1' then
    local result = change('online', 0)
    result[3] = wait
    return result
  end
  redis.call('HSET', presence, 's', 'online', 'v', string.format('%d', version() + 1))
  say('online')
  return nothing(wait)
end
redis.call('HSET', presence, field, claim(ARGV[7]))
if not known and ARGV[9] == '1' then
  redis.call('HSET', presence, 's', 'online', 'v', string.format('%d', version() + 1))
  say('online')
  return nothing()
end
return online(0)
