-- A node says that it lives.
--
-- KEYS[1]  presence:nodes: the nodes, by when the lease of each ends, in ms
-- KEYS[2]  {presence:nodes}:epoch: '<random> <since when, in ms>', lost when everything is lost
-- ARGV[1]  the time in ms, for tests; empty: this server's clock
-- ARGV[2]  the node
-- ARGV[3]  how long the lease lasts, in ms
-- ARGV[4]  'renew': only if it has not ended; 'enter': in any case
-- ARGV[5]  something random, to begin an epoch with
-- ARGV[6]  how far ahead a lease may end, in ms; one that ends later was given before the server's clock was set back
--
-- Returns { 1 if the lease had not ended, the epoch, ms since it began, nodes whose leases have ended… }.
local now = ARGV[1]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
now = tonumber(now)
local epoch = redis.call('GET', KEYS[2])
if not epoch then
  epoch = ARGV[5] .. ' ' .. string.format('%d', now)
  redis.call('SET', KEYS[2], epoch)
end
local score = redis.call('ZSCORE', KEYS[1], ARGV[2])
local holds = score and tonumber(score) >= now
if holds or ARGV[4] == 'enter' then
  redis.call('ZADD', KEYS[1], string.format('%d', now + tonumber(ARGV[3])), ARGV[2])
end
-- It counts as just given, or a node that died would be believed to live until the clock is where it was.
local most = string.format('%d', now + tonumber(ARGV[6]))
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. most, '+inf', 'LIMIT', 0, 64)) do
  redis.call('ZADD', KEYS[1], most, node)
end
local age = math.max(0, now - tonumber(string.match(epoch, ' (%d+)$')))
local result = { holds and 1 or 0, epoch, age }
-- As many as one node can clean up in a round; the rest is found in the next.
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%d', now), 'LIMIT', 0, 16)) do
  if node ~= ARGV[2] then result[#result + 1] = node end
end
return result
