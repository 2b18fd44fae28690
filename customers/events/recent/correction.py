"""Removes the interactions of deleted events, and purchases that were revoked, from the recent interactions."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from config.foundation.valkey import ValkeyDownError, run_pipeline
from customers.events.event_taxonomy import Meaning, lookup_meaning
from customers.events.recent.interactions import MEANING_LETTERS, format_recent_key, to_base36
from customers.identity.models import Identifier

CHUNK = 500  # identifiers per round trip
# Other events of the same second, which keep their place in the list; revoked: events that are stored, but no longer count.
READ_REMAINING = """
SELECT owner.value, owner.second, e.name, e.product_ids
FROM unnest(%(values)s::text[], %(seconds)s::bigint[]) AS owner (value, second)
JOIN events_event e ON {condition} AND e.type = 'track'
 AND e.occurred_at >= to_timestamp(owner.second) AND e.occurred_at < to_timestamp(owner.second + 1)
WHERE NOT EXISTS (
    SELECT FROM unnest(%(sources)s::bigint[], %(messages)s::text[]) AS revoked (source_id, message_id)
    WHERE revoked.source_id = e.source_id AND revoked.message_id = e.message_id
)
"""
OF_OWNER = {
    "user_id": "e.user_id = owner.value AND e.user_id <> ''",
    "anonymous_id": "e.anonymous_id = owner.value AND e.anonymous_id <> '' AND e.user_id = ''",
}


class RemovedInteraction(NamedTuple):
    """An interaction that no longer exists; kind and value name its user or visitor."""

    kind: str
    value: str
    meaning: Meaning
    second: int


class RevokedPurchase(NamedTuple):
    """The stored event of a purchase that no longer counts: it was rejected, or its order was canceled.

    at: when it occurred, at the latest when it was received.
    """

    source_id: int
    message_id: str
    user_id: str
    anonymous_id: str
    at: datetime


def forget_purchases(purchases: Iterable[RevokedPurchase]) -> None:
    """Remove revoked purchases from the lists of their users and visitors; if Valkey is down, they stay until newer ones replace them."""
    revoked = {(purchase.source_id, purchase.message_id): purchase for purchase in purchases}
    interactions = [
        RemovedInteraction(
            Identifier.Kind.USER_ID if purchase.user_id else Identifier.Kind.ANONYMOUS_ID,
            purchase.user_id or purchase.anonymous_id,
            Meaning.PURCHASE,
            int(purchase.at.timestamp()),
        )
        for purchase in revoked.values()
        if purchase.user_id or purchase.anonymous_id
    ]
    forget_interactions(interactions, revoked=list(revoked))


def forget_interactions(interactions: Iterable[RemovedInteraction], *, revoked: Sequence[tuple[int, str]] = ()) -> None:
    """Remove interactions whose events were deleted from the lists of their users and visitors, inside the deletion's transaction.

    If Valkey is down, they stay until newer ones replace them. revoked: the source and message ID of each event that is still stored,
    but no longer counts.
    """
    by_kind: dict[str, dict[str, list[RemovedInteraction]]] = {}
    for interaction in interactions:
        by_kind.setdefault(interaction.kind, {}).setdefault(interaction.value, []).append(interaction)
    with suppress(ValkeyDownError):
        for kind, by_value in by_kind.items():
            values = list(by_value)
            for start in range(0, len(values), CHUNK):
                chunk = {value: by_value[value] for value in values[start : start + CHUNK]}
                correct_lists(kind, chunk, revoked=revoked)


def correct_lists(
    kind: str, removed: Mapping[str, Sequence[RemovedInteraction]], *, revoked: Sequence[tuple[int, str]]
) -> None:
    """Correct the lists of some identifiers of one kind."""

    def read(pipe: Any) -> None:
        for value in removed:
            pipe.zrange(format_recent_key(kind, value), 0, -1)
            pipe.zrange(f"dismissed:{kind}:{value}", 0, -1, withscores=True)

    replies = run_pipeline(read)
    stale: dict[str, list[str]] = {}
    seconds: list[tuple[str, int]] = []
    dismissed: dict[str, list[bytes]] = {}
    for at, (value, interactions) in enumerate(removed.items()):
        if members := find_members(replies[2 * at], interactions):
            stale[value] = members
            seconds += [(value, second) for second in {item.second for item in interactions}]
        undone = {item.second for item in interactions if item.meaning == Meaning.DISMISSAL}
        if products := [product for product, second in replies[2 * at + 1] if int(second) in undone]:
            dismissed[value] = products
    remaining = read_remaining(kind, seconds, revoked=revoked) if seconds else {}

    def write(pipe: Any) -> None:
        for value, members in stale.items():
            if gone := select_gone(members, remaining.get(value, set())):
                pipe.zrem(format_recent_key(kind, value), *gone)
        for value, products in dismissed.items():
            pipe.zrem(f"dismissed:{kind}:{value}", *products)

    if stale or dismissed:
        run_pipeline(write)


def find_members(members: Sequence[bytes], removed: Sequence[RemovedInteraction]) -> list[str]:
    """Return the members with the type and the second of a removed interaction; its product may have been named by a SKU."""
    heads = {format_head(item.meaning, item.second) for item in removed if item.meaning in MEANING_LETTERS}
    return [text for member in members if strip_delay(text := member.decode()).partition(":")[0] in heads]


def select_gone(members: Sequence[str], remaining: set[str]) -> list[str]:
    """Return the members without a remaining event; of several members of the same event, the one with the shortest delay stays."""
    kept: dict[str, str] = {}
    for member in sorted(members, key=lambda text: (len(text), text)):  # sorts base-36 numbers by their value
        if (bare := strip_delay(member)) in remaining:
            kept.setdefault(bare, member)
    return [member for member in members if kept.get(strip_delay(member)) != member]


def format_head(meaning: Meaning, second: int) -> str:
    return f"{MEANING_LETTERS[meaning]}{to_base36(second)}"


def strip_delay(member: str) -> str:
    """Return a member without the delay of a late event."""
    head, _colon, product_id = member.partition(":")
    return f"{head.partition('~')[0]}:{product_id}"


def read_remaining(
    kind: str, seconds: Sequence[tuple[str, int]], *, revoked: Sequence[tuple[int, str]]
) -> dict[str, set[str]]:
    """Return the members, without delays, of the stored events of these identifiers in these seconds."""
    parameters: dict[str, Any] = {
        "values": [value for value, _second in seconds],
        "seconds": [second for _value, second in seconds],
        "sources": [source_id for source_id, _message_id in revoked],
        "messages": [message_id for _source_id, message_id in revoked],
    }
    members: dict[str, set[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(READ_REMAINING.format(condition=OF_OWNER[kind]), parameters)
        for value, second, name, products in cursor.fetchall():
            meaning = lookup_meaning(name)
            if meaning in MEANING_LETTERS:
                members.setdefault(value, set()).update(f"{format_head(meaning, second)}:{item}" for item in products)
    return members
