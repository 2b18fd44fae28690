"""Gives orders to the customers whom their events name, after identifiers have gone to another customer."""

from collections.abc import Sequence

from django.db import connection

from customers.orders.order_events.event_sourcing import find_buyer, select_purchases, sort_log
from customers.orders.order_events.projection import (
    OrderKey,
    build_key_parameters,
    find_owner,
    find_owners,
    read_log,
    read_stored_orders,
)

FIND_LOGGED_ORDERS = """
SELECT o.source_id, o.order_id FROM orders_order o
WHERE o.customer_id = ANY(%s) AND o.kind = 'sale'
  AND EXISTS (SELECT FROM orders_orderevent e WHERE e.source_id = o.source_id AND e.order_id = o.order_id AND e.folded)
ORDER BY o.source_id, o.order_id COLLATE "C"
"""
# An order that has another customer by now has been derived again in the meantime.
MOVE_ORDERS = """
UPDATE orders_order o SET customer_id = w.owner
FROM unnest(%(ids)s::bigint[], %(previous)s::bigint[], %(owners)s::bigint[]) AS w (id, previous, owner)
WHERE o.id = w.id AND o.customer_id = w.previous
"""


def reassign_orders(customer_ids: Sequence[int]) -> int:
    """Move orders between these customers to those whom the events name now; return their number.

    The next event of an order would move it, so its customer must not depend on whether one comes.
    """
    with connection.cursor() as cursor:
        cursor.execute(FIND_LOGGED_ORDERS, [list(customer_ids)])
        keys = [OrderKey(*row) for row in cursor.fetchall()]
        if not keys:
            return 0
        parameters = build_key_parameters(keys)
        logs, stored = read_log(cursor, parameters), read_stored_orders(cursor, parameters)
        buyers = {key: find_buyer(select_purchases(sort_log(log))) for key, log in logs.items()}
        owners = find_owners(cursor, buyers.values())
        moves = [
            (stored[key].id, previous, owner)
            for key, buyer in buyers.items()
            if (previous := stored[key].customer_id) is not None
            and (owner := find_owner(buyer, owners, previous)) in customer_ids
            and owner != previous
        ]
        if not moves:
            return 0
        ids, previous_ids, owner_ids = map(list, zip(*moves, strict=True))
        cursor.execute(MOVE_ORDERS, {"ids": ids, "previous": previous_ids, "owners": owner_ids})
        return int(cursor.rowcount)
