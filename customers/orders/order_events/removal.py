"""Removes deleted events from the logs of their orders, and derives these orders again."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from config.foundation.database.advisory_locks import compute_lock_key
from customers.events.models import Source
from customers.orders.models import Order
from customers.orders.order_events.event_sourcing import IMPORTED
from customers.orders.order_events.projection import (
    OrderKey,
    OrderProjection,
    build_key_parameters,
    derive_from_log,
    read_log,
    read_stored_orders,
    write_orders,
)
from customers.orders.source_lock import name_source_lock

DELETE_LOGGED = """
DELETE FROM orders_orderevent e USING unnest(%(sources)s::bigint[], %(messages)s::text[]) AS m (source_id, message_id)
WHERE e.source_id = m.source_id AND e.message_id = m.message_id AND e.kind <> 'imported'
RETURNING e.source_id, e.order_id
"""
DELETE_ORDERS = """
WITH lines AS (DELETE FROM orders_orderline WHERE order_id = ANY(%(ids)s::bigint[]))
DELETE FROM orders_order WHERE id = ANY(%(ids)s::bigint[])
"""
DELETE_IMPORTED_STATES = """
DELETE FROM orders_orderevent e USING unnest(%(sources)s::bigint[], %(orders)s::text[]) AS w (source_id, order_id)
WHERE e.source_id = w.source_id AND e.order_id = w.order_id AND e.kind = 'imported'
"""


def remove_order_events(*, messages: Sequence[tuple[int, str]], at: datetime) -> set[int]:
    """Delete events from the logs of orders, in the caller's transaction; return the customers whose orders changed.

    An order is deleted if none of its remaining events completes it; an imported order without remaining events returns to its
    imported state. Products that orders created stay.

    Args:
        messages: source and message ID of each deleted event, of any type.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            DELETE_LOGGED,
            {
                "sources": [source_id for source_id, _message_id in messages],
                "messages": [message_id for _source_id, message_id in messages],
            },
        )
        keys = sorted({OrderKey(*row) for row in cursor.fetchall()})
        if not keys:
            return set()
        sources = Source.objects.filter(pk__in={key.source_id for key in keys}).order_by("key")
        for source_key in sources.values_list("key", flat=True):
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [compute_lock_key(name_source_lock(source_key))])
        parameters = build_key_parameters(keys)
        events = read_log(cursor, parameters)
        stored = {
            key: order
            for key, order in read_stored_orders(cursor, parameters).items()
            if order.kind != Order.Kind.RETURN
        }
        derived = derive_from_log(cursor, stored, events, stored, keeps_imported_lines=False)
        result = OrderProjection()
        deleted = [key for key in stored if key not in derived]
        cursor.execute(DELETE_ORDERS, {"ids": [stored[key].id for key in deleted]})
        result.customer_ids.update(owner for key in deleted if (owner := stored[key].customer_id) is not None)
        if derived:
            write_orders(cursor, derived, stored, result, at=at)
        restored = [key for key in derived if all(event.kind == IMPORTED for event in events[key])]
        cursor.execute(DELETE_IMPORTED_STATES, build_key_parameters(restored))
    return result.customer_ids
