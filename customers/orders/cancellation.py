"""Cancels orders and returns that their shop no longer has, and logs it, so that destinations are notified."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection

from customers.events.models import Source
from customers.orders.models import Order
from customers.orders.order_events.imported_states import append_states
from customers.orders.signals import orders_changed

# Also those of guests, although nobody is notified of these: stored results of reports are outdated by them, too.
CANCEL = """
WITH cancelled AS (
    UPDATE orders_order SET status = 'cancelled'
    WHERE source_id = %(source)s AND order_id = ANY(%(ids)s::text[]) AND kind = ANY(%(kinds)s::text[]) AND status <> 'cancelled'
    RETURNING id, customer_id
), logged AS (
    INSERT INTO orders_orderchange (id, order_number, kind, changed_at)
    SELECT nextval(pg_get_serial_sequence('orders_orderevent', 'id')), id, 'cancelled', %(at)s
    FROM cancelled ORDER BY id
)
SELECT coalesce(array_agg(id), '{}'), array_agg(DISTINCT customer_id) FILTER (WHERE customer_id IS NOT NULL) FROM cancelled
"""


def cancel_orders(
    *, source: Source, order_ids: Collection[str], at: datetime, kinds: Collection[str] = Order.Kind.values
) -> int:
    """Cancel orders of a source in the caller's transaction, which holds the source's lock; return how many were not canceled before."""
    parameters: dict[str, Any] = {"source": source.pk, "ids": list(order_ids), "kinds": list(kinds), "at": at}
    with connection.cursor() as cursor:
        cursor.execute(CANCEL, parameters)
        ids, customer_ids = cursor.fetchone()
        if ids:
            append_states(cursor, ids=ids, at=at)
    if customer_ids:
        orders_changed.send(sender=None, customer_ids=customer_ids)
    return len(ids)
