-- What all scripts about one user have in common. It stands in front of each of them.
--
-- KEYS[1]  user:{id}:status: the word that others read, with the time to live
-- KEYS[2]  the companion hash, in the same slot:
--            v        the version of the latest change
--            s        the status as it was last announced from here
--            n<node>  one field per node that holds connections: 'c', or 'h<until>' where only heartbeats count
--            g        '<until> <node> <length>' while a grace runs, which node will end it, and how long it was at first
-- ARGV[1]  the time in ms, for tests; empty: this server's clock
-- ARGV[2]  the node, as 32 hex digits
-- ARGV[3]  time to live of the status word in ms
-- ARGV[4]  the channel of announcements about this user
-- ARGV[5]  the announcement of what this script may bring about, online or offline
-- ARGV[6]  the version that an unknown user starts from
-- ARGV[7]  the version that the user has at least: what the node that speaks was told since the user is there; 0: nothing
-- ARGV[8]  the command that publishes: PUBLISH or SPUBLISH
-- ARGV[9]  and further: each script's own
--
-- Each returns { 1 if the status changed, version, ms that remain of what was found to run, why it went or is offline },
-- or, where somebody said that it is there and that changed nothing, the version alone.

local status, presence = KEYS[1], KEYS[2]
local field, ttl, channel = 'n' .. ARGV[2], tonumber(ARGV[3]), ARGV[4]

-- How long the hash of somebody who is offline is kept, for the version in it: 7 days in ms.
local KEPT = 604800000

local LOST, SILENT, NODE_LOST, CLOSED = 1, 2, 3, 4

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local now = clock()

-- Whether connections with this in their field make somebody online.
local function counts(claim)
  return claim == 'c' or (claim and tonumber(string.sub(claim, 2)) > now)
end

-- Whether connections of any node count, and how long they do at least if nothing more is heard; -1: for ever.
local function alive()
  local fields, last = redis.call('HGETALL', presence), 0
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 1) == 'n' and counts(fields[i + 1]) then
      if fields[i + 1] == 'c' then return true, -1 end
      local till = tonumber(string.sub(fields[i + 1], 2))
      -- Longer than any heartbeat counts: the server's clock was set back. It counts as just heard.
      if till > now + ttl then
        till = now + ttl
        redis.call('HSET', presence, fields[i], 'h' .. string.format('%d', till))
      end
      last = math.max(last, till)
    end
  end
  return last > 0, last - now
end

-- The claim of a node: for ever, or for the time given in ms.
local function claim(milliseconds)
  if milliseconds == '' then return 'c' end
  return 'h' .. string.format('%d', now + tonumber(milliseconds))
end

-- What a failover has lost was announced all the same: the next version is to come after it.
local before = tonumber(redis.call('HGET', presence, 'v'))
if before and before < tonumber(ARGV[7]) then redis.call('HSET', presence, 'v', ARGV[7]) end

local function version()
  return tonumber(redis.call('HGET', presence, 'v')) or math.max(tonumber(ARGV[6]), tonumber(ARGV[7]))
end

-- What others see: the word if it is there, for other programs write it, too; else what was last announced.
local function seen()
  local word = redis.call('GET', status)
  if word then return word end
  return redis.call('HGET', presence, 's') or 'offline'
end

local function say(word)
  redis.call('SET', status, word, 'PX', ttl)
end

local function announce()
  redis.call(ARGV[8], channel, ARGV[5])
end

-- Makes a status visible: word, hash and announcement in one step.
local function change(word, cause)
  local number = string.format('%d', version() + 1)
  redis.call('HSET', presence, 'v', number, 's', word)
  say(word)
  announce()
  return { 1, tonumber(number), 0, cause }
end

-- Somebody is online; announced if that is news.
local function online(cause)
  redis.call('HDEL', presence, 'g')
  redis.call('PERSIST', presence)
  if seen() ~= 'online' then return change('online', cause) end
  redis.call('HSET', presence, 's', 'online', 'v', string.format('%d', version()))
  say('online')
  return { 0, version(), 0, 0 }
end

-- Nobody holds a connection of this user any more; announced if that is news.
local function offline(cause)
  redis.call('PEXPIRE', presence, KEPT)
  if seen() == 'online' then return change('offline', cause) end
  redis.call('HSET', presence, 's', 'offline', 'v', string.format('%d', version()))
  return { 0, version(), 0, 0 }
end

local function set_grace(till, node, length)
  redis.call('HSET', presence, 'g', string.format('%d', till) .. ' ' .. node .. ' ' .. string.format('%d', length))
end

-- The grace that runs: until when, which node ends it, and how long it was at first.
local function grace()
  local text = redis.call('HGET', presence, 'g')
  if not text then return nil end
  local till, node, length = string.match(text, '^(%d+) (%x+) (%d+)$')
  till, length = tonumber(till), tonumber(length)
  -- The server's clock was set back: it counts as just begun.
  if till > now + length then
    till = now + length
    set_grace(till, node, length)
  end
  return till, node, length
end

local function nothing(remaining)
  return { 0, version(), remaining or 0, 0 }
end

-- Nothing is changed, and others see the user offline: a node that believes otherwise is told so.
local function known_offline()
  return { 0, version(), 0, seen() ~= 'online' and LOST or 0 }
end
