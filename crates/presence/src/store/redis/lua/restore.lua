-- A node says again what it holds, because the server may have forgotten.
--
-- ARGV[7]  how long its connections count, in ms; empty: as long as they last; '-': it has none but a grace to end
-- ARGV[8]  what remains of that grace, in ms
-- ARGV[9] 1: the server has lost everything; watchers were told long ago, and nothing is news
local known = redis.call('EXISTS', presence) == 1
if ARGV[7] == '-' then
  local wait = tonumber(ARGV[8])
  if alive() or grace() or wait <= 0 then return nothing() end
  if known and redis.call('HGET', presence, 's') ~= 'online' then return nothing() end
  redis.call('HSET', presence, 'g', string.format('%d', now + wait) .. ' ' .. ARGV[2])
  redis.call('HSET', presence, 's', 'online', 'v', string.format('%d', version()))
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
