"""The last product interactions of somebody, in Valkey: what happened a second ago counts in the next answer.

`recent:{kind}:{value}` is a sorted set; a member is the interaction's letter, its second in base 36, a colon and the
product id, its score the second. Writing an event twice changes nothing, and a late one takes its place in time. An event
of a known user stands on the user's list alone, an event of a visitor on the visitor's.

`same:{kind}:{value}` names a group, `person:{group}` is the set of the identifiers (`kind:value`) that are one person. An
event that carries a user and a visitor puts the visitor into the user's group at once, unless the visitor is another
user's; what the processor found out overrules it. Whoever is asked about gets the lists of the whole group, but of a
visitor who belongs to another user than the one who is asked about, nothing.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import uuid4

from customers.events.decoding import EventRow
from customers.events.valkey import ValkeyDownError, run_pipeline
from customers.events.vocabulary import Meaning

MOST_RECENT = 100
MOST_LINKED = 50  # identifiers of a person whose lists are read together
DAYS_KEPT = 90
SECONDS_KEPT = DAYS_KEPT * 86400
LETTERS = {Meaning.VIEW: "v", Meaning.CART: "c", Meaning.WISHLIST: "w", Meaning.PURCHASE: "p"}
KINDS = {letter: str(meaning) for meaning, letter in LETTERS.items()}
# one command for a whole batch: packing three commands a list took longer than storing the events
ADD_TO_LISTS = """
local most, seconds, at = tonumber(ARGV[1]), ARGV[2], 3
for _, key in ipairs(KEYS) do
    local count = tonumber(ARGV[at])
    redis.call('ZADD', key, unpack(ARGV, at + 1, at + count))
    redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)
    redis.call('EXPIRE', key, seconds)
    at = at + count + 1
end
"""
# what both scripts below need: which group an identifier is in, whose user it holds, putting it there
GROUPS = """
local seconds, most = ARGV[1], tonumber(ARGV[2])
local function group_of(name)
    return redis.call('GETEX', 'same:' .. name, 'EX', seconds)
end
local function is_user(name)
    return string.sub(name, 1, 8) == 'user_id:'
end
local function has_user(group)
    for _, name in ipairs(redis.call('SMEMBERS', 'person:' .. group)) do
        if is_user(name) then return true end
    end
    return false
end
local function put(name, group)
    if redis.call('SCARD', 'person:' .. group) < most then
        redis.call('SET', 'same:' .. name, group, 'EX', seconds)
        redis.call('SADD', 'person:' .. group, name)
        redis.call('EXPIRE', 'person:' .. group, seconds)
    end
end
local function move(from, to)
    for _, name in ipairs(redis.call('SMEMBERS', 'person:' .. from)) do
        put(name, to)
    end
    redis.call('DEL', 'person:' .. from)
end
"""
# pairs of a user and a visitor, each with the name that a new group would get
LINK_PAIRS = (
    GROUPS
    + """
for at = 3, #ARGV, 3 do
    local user, visitor, group = ARGV[at], ARGV[at + 1], group_of(ARGV[at])
    local other = group_of(visitor)
    if group and group == other then
        redis.call('EXPIRE', 'person:' .. group, seconds)
    elseif not other then
        if not group then group = ARGV[at + 2]; put(user, group) end
        put(visitor, group)
    elseif not has_user(other) then
        if group then move(other, group) else put(user, other) end
    end
end
"""
)
# groups of identifiers, each: how many, the name that a new group would get, the identifiers
LINK_GROUPS = (
    GROUPS
    + """
local at = 3
while at <= #ARGV do
    local count, group = tonumber(ARGV[at]), nil
    local names = {unpack(ARGV, at + 2, at + 1 + count)}
    for _, name in ipairs(names) do
        if is_user(name) and not group then group = group_of(name) end
    end
    for _, name in ipairs(names) do
        local other = not group and group_of(name)
        if other and not has_user(other) then group = other end
    end
    if not group then group = ARGV[at + 1] end
    for _, name in ipairs(names) do
        local other = group_of(name)
        if other ~= group then
            if other and not has_user(other) then
                move(other, group)
            elseif other then
                redis.call('SREM', 'person:' .. other, name)
            end
            put(name, group)
        end
    end
    at = at + 2 + count
end
"""
)
# the newest members of the lists of everybody who is the same person as the identifiers asked about
READ_LISTS = """
local most, users, groups, names, members = ARGV[1], false, {}, {}, {}
for at = 2, #ARGV do
    local name = ARGV[at]
    local group = redis.call('GET', 'same:' .. name)
    if string.sub(name, 1, 8) == 'user_id:' then
        users = true
        if group then groups[group] = true end
    end
end
for at = 2, #ARGV do
    local name = ARGV[at]
    local group = redis.call('GET', 'same:' .. name)
    if not group then
        names[name] = true
    else
        local listed, theirs = redis.call('SMEMBERS', 'person:' .. group), false
        for _, one in ipairs(listed) do
            theirs = theirs or string.sub(one, 1, 8) == 'user_id:'
        end
        if not users or groups[group] or not theirs then
            names[name] = true
            for _, one in ipairs(listed) do names[one] = true end
        end
    end
end
for name in pairs(names) do
    for _, member in ipairs(redis.call('ZRANGE', 'recent:' .. name, 0, most - 1, 'REV')) do
        members[#members + 1] = member
    end
end
return members
"""
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class RecentInteraction(NamedTuple):
    product_id: str
    kind: str  # view, cart, wishlist, purchase
    at: float  # seconds since 1970


def remember_interactions(rows: Iterable[EventRow]) -> None:
    """Puts product interactions on the lists of their people, and notes who is the same, in one round trip.

    Nothing of a person who refuses personalisation is kept, and what was kept is forgotten. Valkey may be down: the events
    are stored already, and only freshness is lost.
    """
    members: dict[str, dict[str, int]] = {}
    pairs: dict[tuple[str, str], None] = {}
    forgotten: set[str] = set()
    for row in rows:
        event = row.stored
        user_id, visitor_id = event.user_id, event.anonymous_id
        if not row.personalised:
            forgotten |= {recent_key("user_id", user_id), recent_key("anonymous_id", visitor_id)}
            continue
        other_id = row.previous_id or visitor_id
        if user_id and other_id:
            pairs[user_id, other_id] = None
        if row.meaning and event.product_ids:
            second = int(event.occurred_at.timestamp())
            prefix = LETTERS[Meaning(row.meaning)] + base36(second) + ":"
            key = recent_key("user_id", user_id) if user_id else recent_key("anonymous_id", visitor_id)
            members.setdefault(key, {}).update((prefix + product_id, second) for product_id in event.product_ids)

    def fill(pipe: Any) -> None:
        if pairs:
            pipe.eval(LINK_PAIRS, 0, SECONDS_KEPT, MOST_LINKED, *pair_arguments(pairs))
        if members:
            pipe.eval(ADD_TO_LISTS, len(members), *members, MOST_RECENT, SECONDS_KEPT, *list_arguments(members))
        if forgotten:
            pipe.delete(*forgotten)

    if not (pairs or members or forgotten):
        return
    try:
        run_pipeline(fill)
    except ValkeyDownError:
        return  # logged where it was noticed


def pair_arguments(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [
        part
        for user_id, visitor_id in pairs
        for part in (f"user_id:{user_id}", f"anonymous_id:{visitor_id}", uuid4().hex)
    ]


def list_arguments(members: dict[str, dict[str, int]]) -> list[str | int]:
    arguments: list[str | int] = []
    for scores in members.values():
        newest = sorted(scores.items(), key=itemgetter(1), reverse=True)[:MOST_RECENT]
        arguments += [2 * len(newest), *(part for member, second in newest for part in (second, member))]
    return arguments


def link_identifiers(*, groups: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Notes that the identifiers (kind, value) of each group are one person, whatever an event said before; one round trip.

    Silent when Valkey is down: the next events link what they carry.
    """
    arguments: list[str | int] = [SECONDS_KEPT, MOST_LINKED]
    for group in groups:
        names = list(dict.fromkeys(identifier(kind, value) for kind, value in group))
        if len(names) > 1:
            arguments += [len(names), uuid4().hex, *names]
    if len(arguments) == 2:
        return
    try:
        run_pipeline(lambda pipe: pipe.eval(LINK_GROUPS, 0, *arguments))
    except ValkeyDownError:
        return


def recent_interactions(*, identifiers: Sequence[tuple[str, str]]) -> list[RecentInteraction]:
    """The last 100 product interactions of the person known by these (kind, value) pairs, newest first; one round trip.

    Those of all identifiers that are the same person count. Empty when Valkey is down: recommendations go on without.
    """
    if not identifiers:
        return []
    names = [identifier(kind, value) for kind, value in identifiers]
    try:
        [members] = run_pipeline(lambda pipe: pipe.eval(READ_LISTS, 0, MOST_RECENT, *names))
    except ValkeyDownError:
        return []
    found = [interaction_of(member) for member in set(members)]
    return sorted(found, key=lambda interaction: (interaction.at, interaction.product_id), reverse=True)[:MOST_RECENT]


def identifier(kind: str, value: str) -> str:
    return f"{kind}:{value}" if value else ""


def recent_key(kind: str, value: str) -> str:
    return f"recent:{kind}:{value}"


def interaction_of(member: bytes) -> RecentInteraction:
    head, _colon, product_id = member.decode().partition(":")
    return RecentInteraction(product_id, KINDS[head[0]], float(int(head[1:], 36)))


def base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
        if number == 0:
            return digits
