"""Turns processed events into signals, in the transaction that takes the events off the outbox: no event is lost or counts twice."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

from config.foundation.database.array_parameters import format_bigint_list
from customers.events.personal_parts import PERSONAL_PART
from customers.processing.outbox import OutboxEvent
from customers.warehouse.index_lookup import prefer_index_scans
from recommendations.flows.capture.event_names import normalize_event
from recommendations.flows.models import FlowListener

MAX_PROPERTIES = 20_000  # bytes; larger properties are left out

READ_PROPERTIES = """
SELECT id, CASE WHEN pg_column_size(properties) <= %(limit)s THEN properties::text END, product_ids
FROM events_event WHERE id = ANY(%(ids)s::bigint[]) AND received_at BETWEEN %(low)s AND %(high)s
"""
INSERT_SIGNALS = """
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'event', row.name, row.customer_id, row.product_id, row.occurrence, row.at, row.data::jsonb
FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
     WITH ORDINALITY AS row (name, customer_id, product_id, occurrence, at, data, position)
ORDER BY row.position
"""


def capture_events(
    *,
    events: Sequence[OutboxEvent],
    customer_ids: Sequence[int | None],
    received: tuple[datetime, datetime],
    **_kwargs: Any,
) -> None:
    """Write a signal for each event that a flow listens for. Receiver of ``events_processed``."""
    names = set(FlowListener.objects.filter(kind="event").values_list("name", flat=True).distinct())
    if not names:
        return
    awaited = [
        (event, customer_id, name)
        for event, customer_id in zip(events, customer_ids, strict=True)
        if customer_id is not None and event.type == "track" and (name := normalize_event(event.name)) in names
    ]
    if not awaited:
        return
    details = read_properties([event.id for event, _customer_id, _name in awaited], received)
    rows = [
        build_row(event, customer_id, name, *details.get(event.id, (None, []))) for event, customer_id, name in awaited
    ]
    with connection.cursor() as cursor:
        cursor.execute(INSERT_SIGNALS, list(map(list, zip(*rows, strict=True))))


def build_row(
    event: OutboxEvent, customer_id: int, name: str, properties: str | None, product_ids: Sequence[str]
) -> tuple[str, int, str, str, datetime, str]:
    """Return the columns of a signal.

    What a browser claims about a user must not get into a message, so such properties are only compared with filters: ``is_claim``.
    """
    parsed = msgspec.json.decode(properties) if properties else {}
    known = parsed if isinstance(parsed, dict) else {}
    known.pop(PERSONAL_PART, None)
    data = {"name": event.name, "properties": known, "is_claim": bool(event.user_id) and not event.is_verified}
    product_id = product_ids[0] if product_ids else ""
    return name, customer_id, product_id, f"event:{event.id}", event.occurred_at, msgspec.json.encode(data).decode()


def read_properties(ids: Sequence[int], received: tuple[datetime, datetime]) -> dict[int, tuple[str | None, list[str]]]:
    """Return the properties, as a JSON text, and the product IDs of events."""
    low, high = received
    parameters: dict[str, Any] = {"ids": format_bigint_list(ids), "low": low, "high": high, "limit": MAX_PROPERTIES}
    with prefer_index_scans(), connection.cursor() as cursor:
        cursor.execute(READ_PROPERTIES, parameters)
        return {event_id: (properties, product_ids) for event_id, properties, product_ids in cursor.fetchall()}
