"""The Lua scripts of the recent interactions; ``interactions.py`` describes the keys."""

from config.foundation.valkey import LuaScript

# Functions that the scripts below share: find the group of an identifier, check it for a user, add an identifier, merge groups.
GROUP_FUNCTIONS = """
local function group_of(name)
    return redis.call('GET', 'group-of:' .. name)
end
local function is_user(name)
    return string.sub(name, 1, 8) == 'user_id:'
end
local function has_user(group)
    for _, name in ipairs(redis.call('SMEMBERS', 'group:' .. group)) do
        if is_user(name) then return true end
    end
    return false
end
local function renew(name, group)
    redis.call('EXPIRE', 'group-of:' .. name, seconds)
    redis.call('EXPIRE', 'group:' .. group, seconds)
end
local function add(name, group)
    if redis.call('SCARD', 'group:' .. group) < linked then
        redis.call('SET', 'group-of:' .. name, group, 'EX', seconds)
        redis.call('SADD', 'group:' .. group, name)
        redis.call('EXPIRE', 'group:' .. group, seconds)
    end
end
local function move(from, to)
    for _, name in ipairs(redis.call('SMEMBERS', 'group:' .. from)) do
        add(name, to)
    end
    redis.call('DEL', 'group:' .. from)
end
"""
# One command with one packed argument for a whole batch: one argument for each part took longer to send than storing the events.
# `pairs`: user, visitor, name for a new group; `lists` and `dismissed`: key, scores and members; `denied`: keys to clear.
REMEMBER = (
    """
local input, linked = cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2])
local max_recent, max_dismissed, seconds = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local visitor_recent, visitor_dismissed, visitor_seconds = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
"""
    + GROUP_FUNCTIONS
    + """
local epoch = redis.call('GET', 'recent-epoch')
if not epoch then
    epoch = input.epoch
    redis.call('SET', 'recent-epoch', epoch)
end
for _, pair in ipairs(input.pairs) do
    local user, visitor = pair[1], pair[2]
    local group, other = group_of(user), group_of(visitor)
    if group and group == other then
        renew(user, group)
        renew(visitor, group)
    elseif not other then
        if not group then
            group = pair[3]
            add(user, group)
        end
        add(visitor, group)
    elseif not has_user(other) then
        if group then move(other, group) else add(user, other) end
    end
end
for _, list in ipairs(input.lists) do
    local key, customer = 'recent:' .. list[1], is_user(list[1])
    redis.call('ZADD', key, unpack(list[2]))
    redis.call('ZREMRANGEBYRANK', key, 0, -(customer and max_recent or visitor_recent) - 1)
    redis.call('EXPIRE', key, customer and seconds or visitor_seconds)
    redis.call('DEL', 'denied:' .. list[1])
end
for _, list in ipairs(input.dismissed) do
    local key, customer = 'dismissed:' .. list[1], is_user(list[1])
    redis.call('ZADD', key, unpack(list[2]))
    redis.call('ZREMRANGEBYRANK', key, 0, -(customer and max_dismissed or visitor_dismissed) - 1)
    redis.call('EXPIRE', key, customer and seconds or visitor_seconds)
end
for _, name in ipairs(input.denied) do
    redis.call('DEL', 'recent:' .. name, 'dismissed:' .. name)
    redis.call('SET', 'denied:' .. name, 1, 'EX', is_user(name) and seconds or visitor_seconds)
end
return epoch
"""
)
# The argument is a list of groups, each with a name for a new group and its identifiers. The processor's decision wins over
# whatever an event linked before: an identifier leaves the group of another user.
LINK_GROUPS = (
    """
local linked, seconds = tonumber(ARGV[1]), ARGV[2]
"""
    + GROUP_FUNCTIONS
    + """
for _, entry in ipairs(cmsgpack.unpack(ARGV[3])) do
    local new_group, names, group = entry[1], entry[2], nil
    for _, name in ipairs(names) do
        group = group or is_user(name) and group_of(name)
    end
    for _, name in ipairs(names) do
        local other = not group and group_of(name)
        if other and not has_user(other) then group = other end
    end
    group = group or new_group
    for _, name in ipairs(names) do
        local other = group_of(name)
        if other == group then
            renew(name, group)
        else
            if other and not has_user(other) then
                move(other, group)
            elseif other then
                redis.call('SREM', 'group:' .. other, name)
            end
            add(name, group)
        end
    end
end
"""
)
# Returns the newest members of the lists of all identifiers in the same groups, the dismissed products, whether consent is denied, and
# these identifiers; the same round trip counts the request for rate limiting. One packed reply: many small ones take longer to read.
READ_ACTIVITY = LuaScript("""
local max_recent, counter_key, seconds = ARGV[1], ARGV[2], ARGV[3]
local count, users, groups, names, members, dismissed, denied = 0, false, {}, {}, {}, {}, false
if counter_key ~= '' then
    count = redis.call('INCR', counter_key)
    if count == 1 then redis.call('EXPIRE', counter_key, seconds) end
end
for at = 4, #ARGV do
    local name = ARGV[at]
    local group = redis.call('GET', 'group-of:' .. name)
    if string.sub(name, 1, 8) == 'user_id:' then
        users = true
        if group then groups[group] = true end
    end
end
for at = 4, #ARGV do
    local name = ARGV[at]
    local group = redis.call('GET', 'group-of:' .. name)
    denied = denied or redis.call('EXISTS', 'denied:' .. name) == 1
    if not group then
        names[name] = true
    else
        local listed, has_other_user = redis.call('SMEMBERS', 'group:' .. group), false
        for _, listed_name in ipairs(listed) do
            has_other_user = has_other_user or string.sub(listed_name, 1, 8) == 'user_id:'
        end
        if not users or groups[group] or not has_other_user then
            names[name] = true
            for _, listed_name in ipairs(listed) do names[listed_name] = true end
        end
    end
end
local linked = {}
if not denied then
    for name in pairs(names) do
        linked[#linked + 1] = name
        for _, member in ipairs(redis.call('ZRANGE', 'recent:' .. name, 0, max_recent - 1, 'REV')) do
            members[#members + 1] = member
        end
        for _, part in ipairs(redis.call('ZRANGE', 'dismissed:' .. name, 0, -1, 'WITHSCORES')) do
            dismissed[#dismissed + 1] = part
        end
    end
end
return cmsgpack.pack({members, dismissed, denied, count, linked})
""")
