"""What the queue does inside Redis. Each script happens whole or not at all, and may be sent twice."""

from __future__ import annotations

# stands before every script: the server's time, in seconds
CLOCK = """
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end
"""

PUT = """
-- keys: mark, jobs, due, list, listed; arguments: id, message, seconds until due (again), 1 for now,
-- seconds for which the mark outlives a job that never ends
local held = redis.call('GET', KEYS[1])
local due = clock() + tonumber(ARGV[3])
if held == 'done' then return 0 end
if held and redis.call('HEXISTS', KEYS[2], held) == 1 then
  if ARGV[4] == '0' then redis.call('ZADD', KEYS[3], 'LT', due, held) end
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[5])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[3], due, ARGV[1])
if ARGV[4] == '1' then
  redis.call('LPUSH', KEYS[4], ARGV[2])
  redis.call('ZADD', KEYS[5], 'NX', clock(), ARGV[1])
end
return 1
"""

BEGIN = """
-- keys: mark, jobs, due, leases, listed; arguments: id, seconds of the lease, 1 to let the mark go
redis.call('ZREM', KEYS[5], ARGV[1])
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
local now = clock()
local lease = redis.call('ZSCORE', KEYS[4], ARGV[1])
if lease and tonumber(lease) > now then return 0 end
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[2]), ARGV[1])
redis.call('ZADD', KEYS[3], now + tonumber(ARGV[2]), ARGV[1])
if ARGV[3] == '1' and redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""

RENEW = """
-- keys: due, leases; arguments: seconds of the lease, ids
local ends = clock() + tonumber(ARGV[1])
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[i])
  redis.call('ZADD', KEYS[2], 'XX', ends, ARGV[i])
end
return #ARGV - 1
"""

FINISH = """
-- keys: mark, jobs, due, leases, listed; arguments: id, seconds for which the mark stays
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], 'done', 'EX', ARGV[2])
else redis.call('DEL', KEYS[1]) end
return 1
"""

CANCEL = """
-- keys: mark, jobs, due, leases, listed
local id = redis.call('GET', KEYS[1])
if not id or id == 'done' or redis.call('ZSCORE', KEYS[4], id) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HDEL', KEYS[2], id)
redis.call('ZREM', KEYS[3], id)
redis.call('ZREM', KEYS[5], id)
return 1
"""

RETRY = """
-- keys: jobs, due, leases; arguments: id, message, seconds
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], clock() + tonumber(ARGV[3]), ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
"""

PROMOTE = """
-- keys: jobs, due, list, listed; arguments: seconds until due again
local now = clock()
local ids = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)
for _, id in ipairs(ids) do
  local text = redis.call('HGET', KEYS[1], id)
  if text then
    redis.call('LPUSH', KEYS[3], text)
    redis.call('ZADD', KEYS[2], now + tonumber(ARGV[1]), id)
    redis.call('ZADD', KEYS[4], 'NX', now, id)
  else redis.call('ZREM', KEYS[2], id) end
end
return #ids
"""

OLDEST = """
-- keys: jobs, listed; how many seconds the longest has been in the list without being begun, as text
local now = clock()
while true do
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  if #first == 0 then return '0' end
  if redis.call('HEXISTS', KEYS[1], first[1]) == 1 then
    return tostring(math.max(0, now - tonumber(first[2])))
  end
  redis.call('ZREM', KEYS[2], first[1])
end
"""
