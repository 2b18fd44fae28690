"""State changes of a breaker, each one atomic. Times come from the server's clock, which all processes share.

A breaker is a hash: failures in a row, opens in a row, `until` when it is open, `probe` with the time by which a trial must end, and a reason.
"""

from config.foundation.valkey import LuaScript

NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
# ARGV: key, milliseconds of a trial, the longest pause. If the end of a pause is further away than the longest pause, the clock was set
# back in the meantime, and the pause counts as over.
ALLOW = LuaScript(
    NOW
    + """
local state = redis.call('HMGET', ARGV[1], 'failures', 'until', 'probe')
if not state[1] then return 'clean' end
local ends, probe = tonumber(state[2] or 0), tonumber(state[3] or 0)
if ends == 0 then return 'yes' end
if ends > now and ends - now <= tonumber(ARGV[3]) then return 'no' end
if probe > now and probe - now <= tonumber(ARGV[2]) then return 'no' end
redis.call('HSET', ARGV[1], 'probe', now + ARGV[2])
return 'probe'
"""
)
# ARGV: key. Returns 1 if the breaker was open.
SUCCEED = LuaScript("""
local ends = redis.call('HGET', ARGV[1], 'until')
redis.call('DEL', ARGV[1])
if ends then return 1 end
return 0
""")
# ARGV: key, failures until it opens, first pause, longest pause, seconds until it is forgotten, reason. Returns the pause if it opens.
FAIL = LuaScript(
    NOW
    + """
local failures = redis.call('HINCRBY', ARGV[1], 'failures', 1)
redis.call('HSET', ARGV[1], 'reason', ARGV[6], 'probe', 0)
redis.call('EXPIRE', ARGV[1], ARGV[5])
local ends = tonumber(redis.call('HGET', ARGV[1], 'until') or 0)
if failures < tonumber(ARGV[2]) or (ends > now and ends - now <= tonumber(ARGV[4])) then return 0 end
local opens = redis.call('HINCRBY', ARGV[1], 'opens', 1)
local pause = math.min(ARGV[3] * 2 ^ (opens - 1), tonumber(ARGV[4]))
redis.call('HSET', ARGV[1], 'until', string.format('%.0f', now + pause))
if opens == 1 then redis.call('HSET', ARGV[1], 'opened', string.format('%.0f', now)) end
return pause
"""
)
# ARGV: key, change of the budget, initial budget, largest budget, seconds until it is forgotten. Returns 0 if too little is left.
SPEND_RETRY = LuaScript("""
local left = tonumber(redis.call('GET', ARGV[1]) or ARGV[3]) + tonumber(ARGV[2])
if left < 0 then return 0 end
redis.call('SET', ARGV[1], tostring(math.min(left, tonumber(ARGV[4]))), 'EX', ARGV[5])
return 1
""")
