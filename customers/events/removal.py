"""Deletes stored events, whether they have been processed or not, and corrects the recent interactions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from config.foundation.database.array_parameters import format_bigint_list
from customers.events.event_taxonomy import EVENT_NAMES, Meaning, lookup_meaning
from customers.events.minute_counts import forget_minute
from customers.events.recent.correction import RemovedInteraction, forget_interactions
from customers.identity.models import Identifier

# The events that wait are locked first: either the processing of a batch has ended before, or it skips them.
LOCK_WAITING = "SELECT FROM events_outbox WHERE event_id = ANY(%(ids)s::bigint[]) ORDER BY event_id FOR UPDATE"
DELETE_WAITING = "DELETE FROM events_outbox WHERE event_id = ANY(%(ids)s::bigint[])"
DELETE_EVENTS = """
DELETE FROM events_event WHERE id = ANY(%(ids)s::bigint[]) AND received_at = %(received_at)s
RETURNING source_id, message_id, type, name, user_id, anonymous_id, occurred_at, product_ids,
          CASE WHEN lower(trim(name)) = ANY(%(reviews)s) THEN properties END
"""
DELETE_RECEIPTS = """
DELETE FROM events_eventreceipt r USING unnest(%(sources)s::bigint[], %(messages)s::text[]) AS e (source_id, message_id)
WHERE r.source_id = e.source_id AND r.message_id = e.message_id
"""
FIND_CUSTOMERS = """
SELECT DISTINCT customer_id FROM identity_identifier
WHERE (kind = 'user_id' AND value = ANY(%(user_ids)s)) OR (kind = 'anonymous_id' AND value = ANY(%(anonymous_ids)s))
ORDER BY customer_id
"""
REVIEW_NAMES = sorted(name.casefold() for name in EVENT_NAMES[Meaning.REVIEW])


class RemovedReview(NamedTuple):
    """A deleted event with a review."""

    message_id: str
    written_at: datetime
    properties: dict[str, Any]


@dataclass
class RemovedEvents:
    """What the deleted events were connected with.

    Attributes:
        messages: source and message ID of each event.
        customer_ids: the customers whose events they were.
    """

    messages: list[tuple[int, str]] = field(default_factory=list)
    customer_ids: list[int] = field(default_factory=list)
    reviews: list[RemovedReview] = field(default_factory=list)


def remove_events(*, event_ids: Sequence[int], received_at: datetime) -> RemovedEvents:
    """Delete events with their receipts, in the caller's transaction; events that do not exist anymore are ignored.

    Without its receipt, an event can be imported again. The recent interactions are corrected before the commit: if the transaction is
    rolled back, they lack these events until the next attempt.
    """
    removed = RemovedEvents()
    parameters: dict[str, Any] = {
        "ids": format_bigint_list(event_ids),
        "received_at": received_at,
        "reviews": REVIEW_NAMES,
    }
    owners: dict[str, set[str]] = {Identifier.Kind.USER_ID: set(), Identifier.Kind.ANONYMOUS_ID: set()}
    interactions: list[RemovedInteraction] = []
    with connection.cursor() as cursor:
        cursor.execute(LOCK_WAITING, parameters)
        cursor.execute(DELETE_WAITING, parameters)
        cursor.execute(DELETE_EVENTS, parameters)
        for source_id, message_id, type, name, user_id, visitor_id, occurred_at, products, content in cursor.fetchall():
            removed.messages.append((source_id, message_id))
            kind = Identifier.Kind.USER_ID if user_id else Identifier.Kind.ANONYMOUS_ID
            if owner := user_id or visitor_id:
                owners[kind].add(owner)
            if type != "track":
                continue
            moment, meaning = min(occurred_at, received_at), lookup_meaning(name)
            if content is not None:
                properties = msgspec.json.decode(content)
                removed.reviews.append(RemovedReview(message_id, moment, properties))
            if owner and products and meaning is not None:
                interactions.append(RemovedInteraction(kind, owner, meaning, int(moment.timestamp())))
        cursor.execute(
            DELETE_RECEIPTS,
            {
                "sources": [source_id for source_id, _message_id in removed.messages],
                "messages": [message_id for _source_id, message_id in removed.messages],
            },
        )
        cursor.execute(
            FIND_CUSTOMERS,
            {
                "user_ids": sorted(owners[Identifier.Kind.USER_ID]),
                "anonymous_ids": sorted(owners[Identifier.Kind.ANONYMOUS_ID]),
            },
        )
        removed.customer_ids = [customer_id for (customer_id,) in cursor.fetchall()]
    forget_minute(received_at)
    forget_interactions(interactions)
    return removed
