"""The recent product interactions of each person, in Valkey: an event influences recommendations within a second.

`recent:{kind}:{value}` is a sorted set. A member consists of a letter for the interaction, the second in base 36, a colon and the
product id; its score is the second. A tilde and seconds in base 36 before the colon say how much later a late event was received,
because what a model knows depends on when events were received. Writing an event twice changes nothing, and a late event is
sorted by its time. An event of a known user is only on the user's list, an event of a visitor on the visitor's. Anyone can be a
visitor, so their lists are shorter, with shorter product ids, and expire sooner.

`group-of:{kind}:{value}` is the name of a group, `group:{name}` the set of the identifiers (`kind:value`) of one person. An
event with a user and a visitor adds the visitor to the user's group immediately, unless the visitor belongs to another user; the
processor's identity resolution overrides this. A read returns the lists of the whole group, except for a visitor who belongs to a
different user than the one given.

`dismissed:{kind}:{value}` is a sorted set of dismissed products, scored by the second of the dismissal; a later cart or purchase
event undoes a dismissal. `denied:{kind}:{value}` exists while a person denies personalization: they have no lists then.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from config.foundation.valkey import TIMEOUT_SECONDS, ValkeyDownError, run_command, run_pipeline, run_script
from customers.events.collector.parsing import EventRow
from customers.events.event_taxonomy import Meaning
from customers.events.recent.scripts import LINK_GROUPS, READ_ACTIVITY, REMEMBER

MAX_RECENT = 100
MAX_DISMISSED = 500
MAX_MEMBER_BYTES = 220  # of one entry; a longer product id is not remembered
VISITOR_MAX_RECENT = 20
VISITOR_MAX_DISMISSED = 50
VISITOR_MAX_MEMBER_BYTES = 100
MAX_BYTES_PER_CHARACTER = 4
MAX_LINKED = 50  # identifiers of a person whose lists are read together
RETENTION_DAYS = 90
RETENTION_SECONDS = RETENTION_DAYS * 86400
VISITOR_RETENTION_DAYS = 7
VISITOR_RETENTION_SECONDS = VISITOR_RETENTION_DAYS * 86400
MAX_PUNCTUAL_SECONDS = 30  # an event that is received within this time is not late
PAIRS_SECONDS = 300.0
MAX_PAIRS = 50_000
MEANING_LETTERS: dict[str, str] = {
    Meaning.VIEW: "v",
    Meaning.CART: "c",
    Meaning.WISHLIST: "w",
    Meaning.PURCHASE: "p",
}
MEANING_BY_LETTER = {letter: str(meaning) for meaning, letter in MEANING_LETTERS.items()}
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class RecentInteraction(NamedTuple):
    """One interaction of a person with a product."""

    product_id: str
    kind: str  # view, cart, wishlist, purchase
    at: float  # seconds since 1970
    delay: float = 0.0  # seconds until a late event was received


# a total order: interactions of the same second are in the same order in every process
NEWEST = attrgetter("at", "product_id", "kind", "delay")
WANTED_MEANINGS = (str(Meaning.CART), str(Meaning.PURCHASE))  # these undo a dismissal


def remember_interactions(rows: Iterable[EventRow], *, stored_at: datetime | None = None) -> None:
    """Add product interactions to the lists of their customers and visitors and link identifiers, in one round trip.

    Events of a sandbox are left out.

    The lists of those who deny personalization are deleted. If Valkey is down, only the latest interactions are missing there; the
    events are stored already.

    stored_at: for events that are stored long after their time of receipt.
    """
    lists: dict[str, dict[str, int]] = {}
    dismissed: dict[str, dict[str, int]] = {}
    pairs: dict[tuple[str, str], None] = {}  # in order: if a visitor has two users, the first one owns the visitor
    denied: set[str] = set()
    for row in rows:
        if row.context.is_sandbox or row.is_counted_only:
            continue
        event = row.stored
        user_id, visitor_id = event.user_id, event.anonymous_id
        if not row.is_personalized:
            denied |= {name for name in (f"user_id:{user_id}", f"anonymous_id:{visitor_id}") if name[-1] != ":"}
            continue
        if user_id and (other_id := row.previous_id or visitor_id):
            pairs[user_id, other_id] = None
        if row.meaning and event.product_ids:
            second = int(min(event.occurred_at, event.received_at).timestamp())
            delay = int((stored_at or event.received_at).timestamp()) - second
            if user_id:
                name, max_bytes = f"user_id:{user_id}", MAX_MEMBER_BYTES
            else:
                name, max_bytes = f"anonymous_id:{visitor_id}", VISITOR_MAX_MEMBER_BYTES
            if row.meaning == Meaning.DISMISSAL:
                short_ids = (product_id for product_id in event.product_ids if len(product_id.encode()) <= max_bytes)
                dismissed.setdefault(name, {}).update(dict.fromkeys(short_ids, second))
                continue
            lateness = f"~{to_base36(delay)}" if delay > MAX_PUNCTUAL_SECONDS else ""
            prefix = f"{MEANING_LETTERS[row.meaning]}{to_base36(second)}{lateness}:"
            members = lists.setdefault(name, {})
            for product_id in event.product_ids:
                member = prefix + product_id
                # most are so short that they need not be encoded to check their length in bytes
                if len(member) * MAX_BYTES_PER_CHARACTER <= max_bytes or len(member.encode()) <= max_bytes:
                    members[member] = second
    new_pairs = [pair for pair in pairs if not _linked_pairs.contains(pair)]
    if not (new_pairs or lists or dismissed or denied):
        return
    arguments = {
        "pairs": build_pair_arguments(new_pairs),
        "lists": [
            (name, flatten_newest(members, limit=MAX_RECENT if name[0] == "u" else VISITOR_MAX_RECENT))
            for name, members in lists.items()
            if members
        ],
        "dismissed": [
            (name, flatten_newest(members, limit=MAX_DISMISSED if name[0] == "u" else VISITOR_MAX_DISMISSED))
            for name, members in dismissed.items()
            if members
        ],
        "denied": list(denied),
    }
    try:
        if not _linked_pairs.add(new_pairs, run_remember_script(arguments)):
            # Valkey was emptied since the pairs were linked: link all pairs of this batch again
            empty: dict[str, object] = {"lists": [], "dismissed": [], "denied": []}
            _linked_pairs.add(pairs, run_remember_script({"pairs": build_pair_arguments(pairs), **empty}))
    except ValkeyDownError:
        return  # run_command has logged it


def build_pair_arguments(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return pairs of user and visitor as the script expects them, each with a name for a new group."""
    return [(f"user_id:{user_id}", f"anonymous_id:{other_id}", uuid4().hex) for user_id, other_id in pairs]


def run_remember_script(arguments: dict[str, object]) -> bytes:
    """Run the script; return the epoch, which changes whenever Valkey has lost its contents."""
    packed = msgspec.msgpack.encode({**arguments, "epoch": uuid4().hex})
    customer_limits = (MAX_RECENT, MAX_DISMISSED, RETENTION_SECONDS)
    visitor_limits = (VISITOR_MAX_RECENT, VISITOR_MAX_DISMISSED, VISITOR_RETENTION_SECONDS)
    return bytes(run_command("EVAL", REMEMBER, 0, packed, MAX_LINKED, *customer_limits, *visitor_limits))


def flatten_newest(members: dict[str, int], *, limit: int) -> list[int | str]:
    """Return the newest members as alternating scores and members, the form that ZADD takes."""
    newest = sorted(members.items(), key=itemgetter(1), reverse=True)[:limit]
    return [part for member, second in newest for part in (second, member)]


class LinkedPairs:
    """Pairs of user and visitor that this process has linked in Valkey recently, so that they need not be sent again.

    Valkey can be emptied at any time; the epoch in its replies shows whether it was.
    """

    def __init__(self) -> None:
        self._epoch = b""
        self._until = 0.0
        self._pairs: set[tuple[str, str]] = set()

    def contains(self, pair: tuple[str, str]) -> bool:
        """Return whether a pair was linked recently."""
        return pair in self._pairs and time.monotonic() < self._until

    def add(self, pairs: Iterable[tuple[str, str]], epoch: bytes) -> bool:
        """Add linked pairs; return False if Valkey has lost the earlier ones."""
        now, is_same_epoch = time.monotonic(), epoch == self._epoch
        if not is_same_epoch or now >= self._until or len(self._pairs) > MAX_PAIRS:
            self._epoch, self._until, self._pairs = epoch, now + PAIRS_SECONDS, set()
        self._pairs.update(pairs)
        return is_same_epoch


_linked_pairs = LinkedPairs()


def link_identifiers(*, groups: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Link the identifiers (kind, value) of each group to one person, overriding earlier events; one round trip.

    Does nothing if Valkey is down: the next events link the identifiers they carry.
    """
    named_groups = [(uuid4().hex, list(dict.fromkeys(f"{kind}:{value}" for kind, value in group))) for group in groups]
    named_groups = [(new_group, names) for new_group, names in named_groups if len(names) > 1]
    if not named_groups:
        return
    packed = msgspec.msgpack.encode(named_groups)
    try:
        run_command("EVAL", LINK_GROUPS, 0, MAX_LINKED, RETENTION_SECONDS, packed)
    except ValkeyDownError:
        return


def clear_interactions(*, identifiers: Sequence[tuple[str, str]]) -> None:
    """Delete the lists of customers who now deny personalization; if Valkey is down, their next event does it."""
    names = [f"{kind}:{value}" for kind, value in identifiers]

    def fill(pipe: Any) -> None:
        pipe.delete(*(f"{prefix}:{name}" for name in names for prefix in ("recent", "dismissed")))
        for name in names:
            pipe.set(f"denied:{name}", 1, ex=RETENTION_SECONDS)

    if names:
        with suppress(ValkeyDownError):
            run_pipeline(fill)


def allow_interactions(*, identifiers: Sequence[tuple[str, str]]) -> None:
    """Allow personalization again for the customers with these (kind, value) identifiers."""
    if identifiers:
        with suppress(ValkeyDownError):
            run_command("DEL", *(f"denied:{kind}:{value}" for kind, value in identifiers))


@dataclass(frozen=True, slots=True)
class RecentActivity:
    """The recent activity of a person.

    Attributes:
        interactions: newest first.
        dismissed: ids of dismissed products.
        is_denied: the person denies personalization; nothing else is returned then.
        count: the value of the counter; None if there is none or Valkey is down.
        names: "kind:value" of all identifiers that are linked to the given ones, these included.
    """

    interactions: list[RecentInteraction] = field(default_factory=list)
    dismissed: set[str] = field(default_factory=set)
    is_denied: bool = False
    count: int | None = None
    names: Sequence[str] = ()


def read_recent_activity(
    *,
    identifiers: Sequence[tuple[str, str]],
    counter_key: str = "",
    counter_seconds: int = 120,
    timeout: float = TIMEOUT_SECONDS,
) -> RecentActivity:
    """Return the recent activity of the person with these (kind, value) identifiers, in one round trip.

    The result is empty if Valkey is down or takes longer than ``timeout`` seconds: recommendations work without it.

    Args:
        counter_key: a key that is incremented in the same round trip.
        counter_seconds: when the counter expires after its first increment.
    """
    if not identifiers and not counter_key:
        return RecentActivity()
    names = [f"{kind}:{value}" for kind, value in identifiers]
    try:
        packed = run_script(READ_ACTIVITY, MAX_RECENT, counter_key, counter_seconds, *names, timeout=timeout)
    except ValkeyDownError:
        return RecentActivity()
    members, dismissals, is_denied, count, linked_names = msgspec.msgpack.decode(packed)
    interactions = sorted(map(parse_member, set(members)), key=NEWEST, reverse=True)[:MAX_RECENT]
    dismissed = set()
    if dismissals:
        wanted_at = {
            interaction.product_id: interaction.at
            for interaction in reversed(interactions)
            if interaction.kind in WANTED_MEANINGS
        }
        pairs = zip(dismissals[::2], dismissals[1::2], strict=True)
        dismissed = {product_id for product_id, second in pairs if wanted_at.get(product_id, 0.0) <= float(second)}
    return RecentActivity(interactions, dismissed, is_denied, count or None, linked_names)


def read_recent_interactions(*, identifiers: Sequence[tuple[str, str]]) -> list[RecentInteraction]:
    """Return the last 100 product interactions of a person, newest first."""
    return read_recent_activity(identifiers=identifiers).interactions


def format_recent_key(kind: str, value: str) -> str:
    """Return the key of an identifier's list."""
    return f"recent:{kind}:{value}"


def parse_member(member: str) -> RecentInteraction:
    """Return the interaction that a list member encodes."""
    head, _colon, product_id = member.partition(":")
    kind, second = MEANING_BY_LETTER[head[0]], head[1:]
    delay = 0.0
    if "~" in second:
        second, _tilde, later = second.partition("~")
        delay = float(int(later, 36))
    return RecentInteraction(product_id, kind, float(int(second, 36)), delay)


@lru_cache(maxsize=4096)
def to_base36(number: int) -> str:
    """Return a non-negative number in base 36."""
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
        if number == 0:
            return digits
