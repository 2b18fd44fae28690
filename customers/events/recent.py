"""The last product interactions of an identifier, in Valkey: what happened a second ago counts in the next answer.

`recent:{kind}:{value}` is a sorted set; a member is the interaction's letter, its second in base 36, a colon and the
product id, its score the second. Writing an event twice changes nothing, and a late one takes its place in time.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from customers.events.decoding import EventRow
from customers.events.valkey import ValkeyDownError, run_pipeline
from customers.events.vocabulary import Meaning

MOST_RECENT = 100
DAYS_KEPT = 90
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
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class RecentInteraction(NamedTuple):
    product_id: str
    kind: str  # view, cart, wishlist, purchase
    at: float  # seconds since 1970


def remember_interactions(rows: Iterable[EventRow]) -> None:
    """Puts product interactions on the lists of their user and visitor, in one round trip.

    Valkey may be down: the events are stored already, and only freshness is lost.
    """
    members: dict[str, dict[str, int]] = {}
    for row in rows:
        event = row.stored
        if not row.meaning or not event.product_ids:
            continue
        second = int(event.occurred_at.timestamp())
        prefix = LETTERS[Meaning(row.meaning)] + base36(second) + ":"
        for kind, value in (("user_id", event.user_id), ("anonymous_id", event.anonymous_id)):
            if value:
                listed = members.setdefault(recent_key(kind, value), {})
                listed.update((prefix + product_id, second) for product_id in event.product_ids)
    if not members:
        return
    arguments: list[str | int] = [MOST_RECENT, DAYS_KEPT * 86400]
    for scores in members.values():
        newest = sorted(scores.items(), key=itemgetter(1), reverse=True)[:MOST_RECENT]
        arguments += [2 * len(newest), *(part for member, second in newest for part in (second, member))]
    try:
        run_pipeline(lambda pipe: pipe.eval(ADD_TO_LISTS, len(members), *members, *arguments))
    except ValkeyDownError:
        return  # logged where it was noticed


def recent_interactions(*, identifiers: Sequence[tuple[str, str]]) -> list[RecentInteraction]:
    """The last 100 product interactions of somebody known by these (kind, value) pairs, newest first; one round trip.

    An event that named several of the identifiers counts once. Empty when Valkey is down: recommendations go on without.
    """
    if not identifiers:
        return []

    def fill(pipe: Any) -> None:
        for kind, value in identifiers:
            pipe.zrange(recent_key(kind, value), 0, MOST_RECENT - 1, desc=True)

    try:
        lists = run_pipeline(fill)
    except ValkeyDownError:
        return []
    found = [interaction_of(member) for member in {member for listed in lists for member in listed}]
    return sorted(found, key=lambda interaction: (interaction.at, interaction.product_id), reverse=True)[:MOST_RECENT]


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
