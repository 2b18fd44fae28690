"""The last product interactions of somebody, in Valkey: what happened a second ago counts in the next answer.

`recent:{kind}:{value}` is a sorted set; a member is the interaction's letter, its second in base 36, a colon and the
product id, its score the second. Writing an event twice changes nothing, and a late one takes its place in time. An event
of a known user stands on the user's list alone, an event of a visitor on the visitor's.

`same:{kind}:{value}` names a group, `person:{group}` is the set of the identifiers (`kind:value`) that are one person. An
event that carries a user and a visitor puts the visitor into the user's group at once, unless the visitor is another
user's; what the processor found out overrules it. Whoever is asked about gets the lists of the whole group, but of a
visitor who belongs to another user than the one who is asked about, nothing.

`dismissed:{kind}:{value}` is the sorted set of the products that somebody does not want to be shown, by the second they said so; a
later cart or purchase takes that back. `refused:{kind}:{value}` stands while somebody refuses personalisation: they have no lists then.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from config.foundation.valkey import PATIENCE_SECONDS, Script, ValkeyDownError, run_command, run_pipeline, run_script
from customers.events.collector.parsing import EventRow
from customers.events.event_taxonomy import Meaning

MOST_RECENT = 100
MOST_DISMISSED = 500
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
local most_dismissed = tonumber(ARGV[5])
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
    local key = 'recent:' .. list[1]
    redis.call('ZADD', key, unpack(list[2]))
    redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)
    redis.call('EXPIRE', key, seconds)
    redis.call('DEL', 'refused:' .. list[1])
end
for _, list in ipairs(given.dismissed) do
    local key = 'dismissed:' .. list[1]
    redis.call('ZADD', key, unpack(list[2]))
    redis.call('ZREMRANGEBYRANK', key, 0, -most_dismissed - 1)
    redis.call('EXPIRE', key, seconds)
end
for _, name in ipairs(given.forgotten) do
    redis.call('DEL', 'recent:' .. name, 'dismissed:' .. name)
    redis.call('SET', 'refused:' .. name, 1, 'EX', seconds)
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
# The newest members of the lists of everybody who is the same person as the identifiers asked about, what they dismissed, and whether
# they refuse; the request counts on the key of its caller in the same round trip. One packed answer: many small ones take longer to read.
READ_PERSON = Script("""
local most, counted, seconds = ARGV[1], ARGV[2], ARGV[3]
local count, users, groups, names, members, dismissed, refused = 0, false, {}, {}, {}, {}, false
if counted ~= '' then
    count = redis.call('INCR', counted)
    if count == 1 then redis.call('EXPIRE', counted, seconds) end
end
for at = 4, #ARGV do
    local name = ARGV[at]
    local group = redis.call('GET', 'same:' .. name)
    if string.sub(name, 1, 8) == 'user_id:' then
        users = true
        if group then groups[group] = true end
    end
end
for at = 4, #ARGV do
    local name = ARGV[at]
    local group = redis.call('GET', 'same:' .. name)
    refused = refused or redis.call('EXISTS', 'refused:' .. name) == 1
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
if not refused then
    for name in pairs(names) do
        for _, member in ipairs(redis.call('ZRANGE', 'recent:' .. name, 0, most - 1, 'REV')) do
            members[#members + 1] = member
        end
        for _, part in ipairs(redis.call('ZRANGE', 'dismissed:' .. name, 0, -1, 'WITHSCORES')) do
            dismissed[#dismissed + 1] = part
        end
    end
end
return cmsgpack.pack({members, dismissed, refused, count})
""")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class RecentInteraction(NamedTuple):
    product_id: str
    kind: str  # view, cart, wishlist, purchase
    at: float  # seconds since 1970


NEWEST = attrgetter("at", "product_id")
WANTED = (str(Meaning.CART), str(Meaning.PURCHASE))  # takes a dismissal back


def remember_interactions(rows: Iterable[EventRow]) -> None:
    """Puts product interactions on the lists of their people, and notes who is the same, in one round trip.

    Nothing of a person who refuses personalisation is kept, and what was kept is forgotten. Valkey may be down: the events
    are stored already, and only freshness is lost.
    """
    lists: dict[str, dict[str, int]] = {}
    dismissed: dict[str, dict[str, int]] = {}
    pairs: dict[tuple[str, str], None] = {}  # in order: of two users of one visitor the first owns it
    forgotten: set[str] = set()
    for row in rows:
        event = row.stored
        user_id, visitor_id = event.user_id, event.anonymous_id
        if not row.personalised:
            forgotten |= {name for name in (f"user_id:{user_id}", f"anonymous_id:{visitor_id}") if name[-1] != ":"}
            continue
        if user_id and (other_id := row.previous_id or visitor_id):
            pairs[user_id, other_id] = None
        if row.meaning and event.product_ids:
            second = int(event.occurred_at.timestamp())
            name = f"user_id:{user_id}" if user_id else f"anonymous_id:{visitor_id}"
            if row.meaning == Meaning.DISMISSAL:
                dismissed.setdefault(name, {}).update(dict.fromkeys(event.product_ids, second))
                continue
            prefix = LETTERS[row.meaning] + base36(second) + ":"
            members = lists.setdefault(name, {})
            for product_id in event.product_ids:
                members[prefix + product_id] = second
    news = [pair for pair in pairs if not _linked.knows(pair)]
    if not (news or lists or dismissed or forgotten):
        return
    given = {
        "pairs": named_pairs(news),
        "lists": [(name, scores_and_members(members, most=MOST_RECENT)) for name, members in lists.items()],
        "dismissed": [(name, scores_and_members(members, most=MOST_DISMISSED)) for name, members in dismissed.items()],
        "forgotten": list(forgotten),
    }
    try:
        if not _linked.note(news, tell_valkey(given)):
            nothing: dict[str, object] = {"lists": [], "dismissed": [], "forgotten": []}
            _linked.note(pairs, tell_valkey({"pairs": named_pairs(pairs), **nothing}))
    except ValkeyDownError:
        return  # logged where it was noticed


def named_pairs(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    return [(f"user_id:{user_id}", f"anonymous_id:{other_id}", uuid4().hex) for user_id, other_id in pairs]


def tell_valkey(given: dict[str, object]) -> bytes:
    """Runs the script; returns the name that the present contents of Valkey got when they were empty."""
    packed = msgspec.msgpack.encode({**given, "epoch": uuid4().hex})
    return bytes(run_command("EVAL", REMEMBER, 0, MOST_RECENT, MOST_LINKED, SECONDS_KEPT, packed, MOST_DISMISSED))


def scores_and_members(members: dict[str, int], *, most: int) -> list[int | str]:
    newest = sorted(members.items(), key=itemgetter(1), reverse=True)[:most]
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
    """Empties the lists of the (kind, value) pairs, whose people refuse from now on. With Valkey down their next event does it."""
    names = [f"{kind}:{value}" for kind, value in identifiers]

    def fill(pipe: Any) -> None:
        pipe.delete(*(f"{prefix}:{name}" for name in names for prefix in ("recent", "dismissed")))
        for name in names:
            pipe.set(f"refused:{name}", 1, ex=SECONDS_KEPT)

    if names:
        with suppress(ValkeyDownError):
            run_pipeline(fill)


def allow_interactions(*, identifiers: Sequence[tuple[str, str]]) -> None:
    """The people behind the (kind, value) pairs do not refuse any more."""
    if identifiers:
        with suppress(ValkeyDownError):
            run_command("DEL", *(f"refused:{kind}:{value}" for kind, value in identifiers))


@dataclass(frozen=True, slots=True)
class Recently:
    """What Valkey knows of a person.

    interactions: newest first; dismissed: product ids that they do not want to see; refused: they refuse personalisation, and nothing
    else is told; count: of the key that was to be counted, None when Valkey is down.
    """

    interactions: list[RecentInteraction] = field(default_factory=list)
    dismissed: set[str] = field(default_factory=set)
    refused: bool = False
    count: int | None = None


def read_person(
    *,
    identifiers: Sequence[tuple[str, str]],
    counted: str = "",
    counted_seconds: int = 120,
    patience: float = PATIENCE_SECONDS,
) -> Recently:
    """The lists of the person known by these (kind, value) pairs, of all identifiers that are the same person; one round trip.

    counted: a key whose count goes up by one on the way. Empty when Valkey is down or takes longer than ``patience`` seconds:
    recommendations go on without.
    """
    if not identifiers and not counted:
        return Recently()
    names = [f"{kind}:{value}" for kind, value in identifiers]
    try:
        packed = run_script(READ_PERSON, MOST_RECENT, counted, counted_seconds, *names, patience=patience)
    except ValkeyDownError:
        return Recently()
    members, dismissals, refused, count = msgspec.msgpack.decode(packed)
    interactions = sorted(map(interaction_of, set(members)), key=NEWEST, reverse=True)[:MOST_RECENT]
    dismissed = set()
    if dismissals:
        wanted = {one.product_id: one.at for one in reversed(interactions) if one.kind in WANTED}
        pairs = zip(dismissals[::2], dismissals[1::2], strict=True)
        dismissed = {product_id for product_id, second in pairs if wanted.get(product_id, 0.0) <= float(second)}
    return Recently(interactions, dismissed, refused, count or None)


def recent_interactions(*, identifiers: Sequence[tuple[str, str]]) -> list[RecentInteraction]:
    """The last 100 product interactions of a person, newest first."""
    return read_person(identifiers=identifiers).interactions


def recent_key(kind: str, value: str) -> str:
    return f"recent:{kind}:{value}"


def interaction_of(member: str) -> RecentInteraction:
    head, _colon, product_id = member.partition(":")
    return RecentInteraction(product_id, KINDS[head[0]], float(int(head[1:], 36)))


@lru_cache(maxsize=4096)
def base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
        if number == 0:
            return digits
