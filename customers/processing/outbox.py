"""Claims events on the outbox and reads the columns that processing needs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from catalog.sku_lookup import find_products_by_group, find_products_by_sku
from config.foundation.database.array_parameters import format_bigint_list
from config.foundation.database.time_loading import use_compiled_time_loader
from customers.events.event_taxonomy import EVENT_NAMES, Meaning
from customers.events.models import Source
from customers.warehouse.index_lookup import prefer_index_scans

# events whose properties are needed for more than the products that were viewed
MEANINGS_WITH_PROPERTIES = (
    Meaning.PURCHASE,
    Meaning.ORDER_UPDATE,
    Meaning.REFUND,
    Meaning.CANCELLATION,
    Meaning.REVIEW,
    Meaning.EMAIL_UNSUBSCRIBED,
)
NAMES_WITH_PROPERTIES = sorted(name.casefold() for meaning in MEANINGS_WITH_PROPERTIES for name in EVENT_NAMES[meaning])

# SKIP LOCKED: an event that another transaction has claimed is left to it
CLAIM_OLDEST = """
SELECT event_id, received_at, user_id, anonymous_id FROM events_outbox
ORDER BY event_id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
"""
CLAIM_BY_ID = """
SELECT event_id, received_at, user_id, anonymous_id FROM events_outbox
WHERE event_id = ANY(%(ids)s::bigint[])
ORDER BY event_id
FOR UPDATE SKIP LOCKED
"""
# a second statement: with the times as constants, only the partitions that contain the events are read
READ_EVENTS = """
SELECT e.id, e.source_id, s.key, e.message_id, e.type, e.name, e.user_id, e.anonymous_id, e.occurred_at, e.received_at,
       e.session_id, e.context #>> '{device,id}',
       s.kind = ANY(%(trusted)s),
       s.kind = ANY(%(trusted)s) OR (s.requires_user_token AND (e.user_id <> '' OR e.id = ANY(%(verified)s::bigint[]))),
       CASE WHEN e.type IN ('identify', 'alias') OR (e.type = 'track' AND lower(trim(e.name)) = ANY(%(names)s))
            THEN e.properties END
FROM events_event e
JOIN events_source s ON s.id = e.source_id
WHERE e.id = ANY(%(ids)s::bigint[]) AND e.received_at BETWEEN %(low)s AND %(high)s
ORDER BY e.occurred_at, e.id
"""

HAS_OTHER_NAMES = """
SELECT EXISTS (SELECT FROM catalog_product WHERE sku <> '' AND sku <> product_id)
    OR EXISTS (SELECT FROM catalog_product WHERE parent_id <> '')
"""
SELECT_PRODUCT_REFERENCES = """
SELECT DISTINCT unnest(product_ids) FROM events_event
WHERE id = ANY(%(ids)s::bigint[]) AND received_at BETWEEN %(low)s AND %(high)s
"""
REPLACE_PRODUCT_REFERENCES = """
UPDATE events_event e SET product_ids = ARRAY(
    SELECT COALESCE(s.product_id, r.reference)
    FROM unnest(e.product_ids) WITH ORDINALITY AS r (reference, position)
    LEFT JOIN unnest(%(skus)s::text[], %(product_ids)s::text[]) AS s (sku, product_id) ON s.sku = r.reference
    ORDER BY r.position
)
WHERE e.id = ANY(%(ids)s::bigint[]) AND e.received_at BETWEEN %(low)s AND %(high)s
  AND e.product_ids && %(skus)s::varchar[]
"""

CLEAR_PRODUCTS = """
UPDATE events_event SET product_ids = '{}' WHERE id = ANY(%(ids)s::bigint[]) AND received_at BETWEEN %(low)s AND %(high)s
"""


class OutboxEvent(NamedTuple):
    """One claimed event.

    Attributes:
        is_trusted: whether a server or import of the shop sent it.
        is_verified: whether its ``user_id`` is certain: that of a trusted source, or one that came with a valid user token.
        properties: a JSON text; None if no step needs it.
        decider: user ID and anonymous ID of whom a refusal or an unsubscribe is recorded if the event was stored without them.
    """

    id: int
    source_id: int
    source: str
    message_id: str
    type: str
    name: str
    user_id: str
    anonymous_id: str
    occurred_at: datetime
    received_at: datetime
    session_id: str
    device_id: str | None
    is_trusted: bool
    is_verified: bool
    properties: str | None
    decider: tuple[str, str] = ("", "")

    @property
    def parsed_properties(self) -> dict[str, Any]:
        """The properties as an object; empty if they are something else."""
        parsed = msgspec.json.decode(self.properties) if self.properties else {}
        return parsed if isinstance(parsed, dict) else {}


class OutboxClaim(NamedTuple):
    """Rows of the outbox, locked until the transaction ends, the range of their times, and the IDs of whom refusals apply to."""

    ids: list[int]
    low: datetime
    high: datetime
    deciders: dict[int, tuple[str, str]]


def claim_events(*, limit: int = 0, ids: Sequence[int] | None = None) -> OutboxClaim | None:
    """Lock the rows of the oldest events, or of the given ones; return None if there are none."""
    with connection.cursor() as cursor:
        use_compiled_time_loader(cursor)
        if ids is None:
            cursor.execute(CLAIM_OLDEST, {"limit": limit})
        else:
            cursor.execute(CLAIM_BY_ID, {"ids": format_bigint_list(ids)})
        rows = cursor.fetchall()
    if not rows:
        return None
    moments = [row[1] for row in rows]
    deciders = {row[0]: (row[2], row[3]) for row in rows if row[2] or row[3]}
    return OutboxClaim([row[0] for row in rows], min(moments), max(moments), deciders)


def read_events(claim: OutboxClaim) -> list[OutboxEvent]:
    """Return the claimed events in order of occurrence; retention may have deleted some."""
    parameters: dict[str, Any] = {
        "ids": format_bigint_list(claim.ids),
        "low": claim.low,
        "high": claim.high,
        "names": NAMES_WITH_PROPERTIES,
        "trusted": list(Source.TRUSTED_KINDS),
        "verified": format_bigint_list(
            [event_id for event_id, (user_id, _anonymous_id) in claim.deciders.items() if user_id]
        ),
    }
    # each event is found by its id: the planner might choose the index on the time, which does not cover the newest rows
    with prefer_index_scans(), connection.cursor() as cursor:
        use_compiled_time_loader(cursor)
        cursor.execute(READ_EVENTS, parameters)
        return [OutboxEvent._make((*row, claim.deciders.get(row[0], ("", "")))) for row in cursor.fetchall()]


def replace_product_references(claim: OutboxClaim) -> int:
    """Replace SKUs and groups in the products of the claimed events by product IDs; return how many events changed.

    The properties keep what was sent.
    """
    parameters: dict[str, Any] = {"ids": format_bigint_list(claim.ids), "low": claim.low, "high": claim.high}
    with connection.cursor() as cursor:
        cursor.execute(HAS_OTHER_NAMES)
        if not cursor.fetchone()[0]:
            return 0
    with prefer_index_scans(), connection.cursor() as cursor:
        cursor.execute(SELECT_PRODUCT_REFERENCES, parameters)
        references = [reference for (reference,) in cursor.fetchall()]
        products = find_products_by_group(references) | find_products_by_sku(references)
        if not products:
            return 0
        ids = [product_id for _key, product_id in products.values()]
        cursor.execute(REPLACE_PRODUCT_REFERENCES, {**parameters, "skus": list(products), "product_ids": ids})
        return cursor.rowcount


def clear_products(claim: OutboxClaim, *, event_ids: Sequence[int]) -> None:
    """Remove the products of some claimed events; the properties keep what was sent."""
    if event_ids:
        parameters: dict[str, Any] = {"ids": format_bigint_list(event_ids), "low": claim.low, "high": claim.high}
        with prefer_index_scans(), connection.cursor() as cursor:
            cursor.execute(CLEAR_PRODUCTS, parameters)


def release_events(claim: OutboxClaim) -> None:
    """Delete the rows from the outbox, which marks the events as processed."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM events_outbox WHERE event_id = ANY(%s::bigint[])", [format_bigint_list(claim.ids)])
