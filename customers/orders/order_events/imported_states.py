"""Adds the states in which imports left an order to the log of the order, so that its next event starts from them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

# The buyer is not repeated here: the order itself has its customer, whom merges and erasure keep up to date.
_CONTENT = """
jsonb_build_object(
    'placed_at', o.placed_at, 'customer', o.customer_id IS NOT NULL, 'status', o.status, 'currency', o.currency,
    'subtotal', o.subtotal::text, 'discount', o.discount::text, 'shipping', o.shipping::text, 'tax', o.tax::text,
    'total', o.total::text, 'refunded', o.refunded::text, 'coupon', o.coupon, 'channel', o.channel, 'lines', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'product_id', p.product_id, 'title', p.title, 'brand', p.brand, 'category', '',
            'quantity', l.quantity::text, 'unit_price', l.unit_price::text, 'discount', l.discount::text,
            'total', l.total::text) ORDER BY l.line_number)
        FROM orders_orderline l JOIN catalog_product p ON p.id = l.product_id WHERE l.order_id = o.id
    ), '[]'::jsonb)
)
"""
# An order that was imported before its first event gets its imported state as the first entry of its log.
_INSERT_FIRST_STATES = f"""
INSERT INTO orders_orderevent (
    source_id, message_id, order_id, kind, occurred_at, user_id, anonymous_id, guest_email_hash, content, folded
)
SELECT o.source_id, 'imported:' || o.order_id, o.order_id, 'imported', o.placed_at, '', '', o.guest_email_hash, {_CONTENT}, true
FROM unnest(%(sources)s::bigint[], %(orders)s::text[]) AS w (source_id, order_id)
JOIN orders_order o ON o.source_id = w.source_id AND o.order_id = w.order_id AND o.kind = 'sale'
WHERE NOT EXISTS (
    SELECT FROM orders_orderevent e
    WHERE e.source_id = w.source_id AND e.order_id = w.order_id AND e.folded AND e.kind IN ('imported', 'completed')
)
ORDER BY o.source_id, o.order_id COLLATE "C"
ON CONFLICT (source_id, message_id) DO NOTHING
"""  # noqa: S608 — the texts are constants
# The number in the message ID has leading zeros, so that two imports at the same time are sorted as they came.
_APPEND_STATES = f"""
INSERT INTO orders_orderevent (
    id, source_id, message_id, order_id, kind, occurred_at, user_id, anonymous_id, guest_email_hash, content, folded
)
SELECT o.entry, o.source_id, 'imported:' || lpad(o.entry::text, 19, '0'), o.order_id, 'imported', %(at)s, '', '',
       o.guest_email_hash, {_CONTENT}, true
FROM (
    SELECT nextval(pg_get_serial_sequence('orders_orderevent', 'id')) AS entry, sale.* FROM (
        SELECT * FROM orders_order WHERE id = ANY(%(ids)s::bigint[]) AND kind = 'sale' ORDER BY id
    ) sale
) o
WHERE EXISTS (SELECT FROM orders_orderevent e WHERE e.source_id = o.source_id AND e.order_id = o.order_id)
RETURNING id, order_id
"""  # noqa: S608 — the texts are constants


def insert_first_states(cursor: CursorWrapper, parameters: Mapping[str, Any]) -> None:
    """Begin the logs of orders that were imported before their first event with the imported states."""
    cursor.execute(_INSERT_FIRST_STATES, parameters)


def append_states(cursor: CursorWrapper, *, ids: Sequence[int], at: datetime) -> dict[str, int]:
    """Add the present states of sales to their logs; return the IDs of the entries by order ID. Sales without a log need none."""
    cursor.execute(_APPEND_STATES, {"ids": list(ids), "at": at})
    return {order_id: entry for entry, order_id in cursor.fetchall()}
