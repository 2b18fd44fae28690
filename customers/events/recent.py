"""The last product interactions of somebody, in Valkey: what happened a second ago counts in the next answer.

`recent:{kind}:{value}` is a sorted set; a member is the interaction's letter, its second in base 36, a colon and the
product id, its score the second. Writing an event twice changes nothing, and a late one takes its place in time. An event
of a known user stands on the user's list alone, an event of a visitor on the visitor's.

`same:{kind}:{value}` names a group, `person:{group}` is the set of the identifiers (`kind:value`) that are one person. An
event that carries a user and a visitor puts the visitor into the user's group at once, unless the visitor is another
user's; what the processor found out overrules it. Whoever is asked about gets the lists of the whole group, but of a
visitor who belongs to another user than the one who is asked about, nothing.
"""

import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple
from uuid import uuid4

import msgspec

from customers.events.decoding import EventRow
from customers.events.valkey import ValkeyDownError, run_command
from customers.events.vocabulary import Meaning

MOST_RECENT = 100
MOST_LINKED = 50  # identifiers of a person whose lists are read together
DAYS_KEPT = 90
SECONDS_KEPT = DAYS_KEPT * 86400
PAIRS_SECONDS = 300.0
MOST_PAIRS = 50_000
LETTERS: dict[str, str] = {Meaning.VIEW: "v", Meaning.CART: "c", Meaning.WISHLIST: "w", Meaning.PURCHASE: "p"}
KINDS = {letter: str(meaning) for meaning, letter in LETTERS.items()}
# what the scripts below need: which group an identifier is in, whether it holds a user, putting somebody there
GROUPS = """
local function group_of(name)
    return redis.call('GET', 'same:' .. name)
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
local function keep(name, group)
    redis.call('EXPIRE', 'same:' .. name, seconds)
    redis.call('EXPIRE', 'person:' .. group, seconds)
end
local function put(name, group)
    if redis.call('SCARD', 'person:' .. group) < linked then
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
# One command for a whole batch with one argument: packing an argument for each part took longer than storing the events.
# `pairs`: user, visitor, the name that a new group would get; `lists`: key, members with their scores; `forgotten`: keys.
REMEMBER = (
    """
local most, linked, seconds, given = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], cmsgpack.unpack(ARGV[4])
"""
    + GROUPS
    + """
local epoch = redis.call('GET', 'recent-epoch')
if not epoch then
    epoch = given.epoch
    redis.call('SET', 'recent-epoch', epoch)
end
for _, pair in ipairs(given.pairs) do
    local user, visitor = pair[1], pair[2]
    local group, other = group_of(user), group_of(visitor)
    if group and group == other then
        keep(user, group)
        keep(visitor, group)
    elseif not other then
        if not group then
            group = pair[3]
            put(user, group)
        end
        put(visitor, group)
    elseif not has_user(other) then
        if group then move(other, group) else put(user, other) end
    end
end
for _, list in ipairs(given.lists) do
    redis.call('ZADD', list[1], unpack(list[2]))
    redis.call('ZREMRANGEBYRANK', list[1], 0, -most - 1)
    redis.call('EXPIRE', list[1], seconds)
end
for _, key in ipairs(given.forgotten) do
    redis.call('DEL', key)
end
return epoch
"""
)
# Groups of identifiers, each: the name that a new group would get, the identifiers.
LINK_GROUPS = (
    """
local linked, seconds = tonumber(ARGV[1]), ARGV[2]
"""
    + GROUPS
    + """
for _, given in ipairs(cmsgpack.unpack(ARGV[3])) do
    local fresh, names, group = given[1], given[2], nil
    for _, name in ipairs(names) do
        group = group or is_user(name) and group_of(name)
    end
    for _, name in ipairs(names) do
        local other = not group and group_of(name)
        if other and not has_user(other) then group = other end
    end
    group = group or fresh
    for _, name in ipairs(names) do
        local other = group_of(name)
        if other == group then
            keep(name, group)
        else
            if other and not has_user(other) then
                move(other, group)
            elseif other then
                redis.call('SREM', 'person:' .. other, name)
            end
            put(name, group)
        end
    end
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
    lists: dict[str, dict[str, int]] = {}
    pairs: dict[tuple[str, str], None] = {}  # in order: of two users of one visitor the first owns it
    forgotten: set[str] = set()
    for row in rows:
        event = row.stored
        user_id, visitor_id = event.user_id, event.anonymous_id
        if not row.personalised:
            forgotten |= {f"recent:user_id:{user_id}", f"recent:anonymous_id:{visitor_id}"}
            continue
        if user_id and (other_id := row.previous_id or visitor_id):
            pairs[user_id, other_id] = None
        if row.meaning and event.product_ids:
            second = int(event.occurred_at.timestamp())
            prefix = LETTERS[row.meaning] + base36(second) + ":"
            key = f"recent:user_id:{user_id}" if user_id else f"recent:anonymous_id:{visitor_id}"
            members = lists.setdefault(key, {})
            for product_id in event.product_ids:
                members[prefix + product_id] = second
    news = [pair for pair in pairs if not _linked.knows(pair)]
    if not (news or lists or forgotten):
        return
    given = {
        "pairs": named_pairs(news),
        "lists": [(key, scores_and_members(members)) for key, members in lists.items()],
        "forgotten": list(forgotten),
    }
    try:
        if not _linked.note(news, tell_valkey(given)):
            _linked.note(pairs, tell_valkey({"pairs": named_pairs(pairs), "lists": [], "forgotten": []}))
    except ValkeyDownError:
        return  # logged where it was noticed


def named_pairs(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    return [(f"user_id:{user_id}", f"anonymous_id:{other_id}", uuid4().hex) for user_id, other_id in pairs]


def tell_valkey(given: dict[str, object]) -> bytes:
    """Runs the script; returns the name that the present contents of Valkey got when they were empty."""
    packed = msgspec.msgpack.encode({**given, "epoch": uuid4().hex})
    return bytes(run_command("EVAL", REMEMBER, 0, MOST_RECENT, MOST_LINKED, SECONDS_KEPT, packed))


def scores_and_members(members: dict[str, int]) -> list[int | str]:
    newest = sorted(members.items(), key=itemgetter(1), reverse=True)[:MOST_RECENT]
    return [part for member, second in newest for part in (second, member)]


class LinkedPairs:
    """Pairs of a user and a visitor that Valkey was told about not long ago, by this process.

    Valkey may be emptied at any moment; the epoch in its answers says whether it was.
    """

    def __init__(self) -> None:
        self._epoch = b""
        self._until = 0.0
        self._pairs: set[tuple[str, str]] = set()

    def knows(self, pair: tuple[str, str]) -> bool:
        return pair in self._pairs and time.monotonic() < self._until

    def note(self, pairs: Iterable[tuple[str, str]], epoch: bytes) -> bool:
        """Adds pairs; False when what was known before is gone from Valkey."""
        now, same = time.monotonic(), epoch == self._epoch
        if not same or now >= self._until or len(self._pairs) > MOST_PAIRS:
            self._epoch, self._until, self._pairs = epoch, now + PAIRS_SECONDS, set()
        self._pairs.update(pairs)
        return same


_linked = LinkedPairs()


def link_identifiers(*, groups: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Notes that the identifiers (kind, value) of each group are one person, whatever an event said before; one round trip.

    Silent when Valkey is down: the next events link what they carry.
    """
    given = [(uuid4().hex, list(dict.fromkeys(f"{kind}:{value}" for kind, value in group))) for group in groups]
    given = [(fresh, names) for fresh, names in given if len(names) > 1]
    if not given:
        return
    packed = msgspec.msgpack.encode(given)
    try:
        run_command("EVAL", LINK_GROUPS, 0, MOST_LINKED, SECONDS_KEPT, packed)
    except ValkeyDownError:
        return


def forget_interactions(*, identifiers: Sequence[tuple[str, str]]) -> None:
    """Empties the lists of the (kind, value) pairs. With Valkey down their people's next event does it."""
    try:
        run_command("DEL", *(recent_key(kind, value) for kind, value in identifiers))
    except ValkeyDownError:
        return


def recent_interactions(*, identifiers: Sequence[tuple[str, str]]) -> list[RecentInteraction]:
    """The last 100 product interactions of the person known by these (kind, value) pairs, newest first; one round trip.

    Those of all identifiers that are the same person count. Empty when Valkey is down: recommendations go on without.
    """
    if not identifiers:
        return []
    names = [f"{kind}:{value}" for kind, value in identifiers]
    try:
        members = run_command("EVAL", READ_LISTS, 0, MOST_RECENT, *names)
    except ValkeyDownError:
        return []
    found = [interaction_of(member) for member in set(members)]
    return sorted(found, key=lambda interaction: (interaction.at, interaction.product_id), reverse=True)[:MOST_RECENT]


def recent_key(kind: str, value: str) -> str:
    return f"recent:{kind}:{value}"


def interaction_of(member: bytes) -> RecentInteraction:
    head, _colon, product_id = member.decode().partition(":")
    return RecentInteraction(product_id, KINDS[head[0]], float(int(head[1:], 36)))


@lru_cache(maxsize=4096)
def base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
        if number == 0:
            return digits
