"""Adds imported states to the logs of orders that have events, and derives these orders again.

Otherwise, their next event would undo the import, because an order with a log is derived from it.
"""

# ruff: noqa: S608 — the names in the statements are constants of this package, values are parameters

from collections.abc import Sequence
from datetime import datetime
from itertools import batched

from django.db.backends.utils import CursorWrapper

from customers.orders.imports.staging import Staging
from customers.orders.order_events.imported_states import append_states
from customers.orders.order_events.projection import MAX_ORDERS, OrderKey, derive_imported_orders

HAS_LOG = "EXISTS (SELECT FROM orders_orderevent e WHERE e.source_id = o.source_id AND e.order_id = o.order_id)"
# Not left to the derivation: an order that is placed for a moment would start the flows of placed orders.
KEEP_CANCELLED = """
UPDATE imported_order i SET status = 'cancelled'
FROM orders_order o JOIN orders_orderevent e ON e.source_id = o.source_id AND e.order_id = o.order_id AND e.kind = 'cancelled'
WHERE o.id = i.id AND o.kind = 'sale' AND i.status <> 'cancelled'
"""
SELECT_UNCHANGED = """
SELECT t.id, o.order_id FROM touched_order t JOIN stored_order s USING (id) JOIN orders_order o USING (id)
WHERE ({stored}) IS NOT DISTINCT FROM ({present})
GROUP BY t.id, o.order_id HAVING every(t.kind IS NOT NULL)  -- the rows without a kind are of changed lines
"""


def prepare_orders_with_log(cursor: CursorWrapper, columns: Sequence[str]) -> None:
    """Copy the imported orders that have a log to ``stored_order``, before the import changes them, and keep cancellations by events."""
    cursor.execute(
        f"""
        CREATE TEMPORARY TABLE stored_order ON COMMIT DROP AS SELECT o.id, {", ".join(f"o.{name}" for name in columns)}
        FROM imported_order i JOIN orders_order o USING (id) WHERE {HAS_LOG}
        """
    )
    if cursor.rowcount:
        cursor.execute(KEEP_CANCELLED)


def log_imported_states(
    cursor: CursorWrapper, staging: Staging, *, columns: Sequence[str], source_id: int, at: datetime
) -> None:
    """Log the new states of created and changed orders that have a log, and derive these orders.

    Orders that the derivation leaves unchanged, for example because their log has a cancellation, are removed from ``touched_order``, and
    their entries from the log: a shop system that sends the same state again and again must not make the log longer.
    """
    cursor.execute("SELECT EXISTS (SELECT FROM orders_orderevent WHERE source_id = %s)", [source_id])
    if not cursor.fetchone()[0]:
        return
    first_new = staging.fetch_value("SELECT min(id) FROM order_ids WHERE is_new")
    cursor.execute(
        f"""
        SELECT t.id, o.order_id FROM (SELECT DISTINCT id FROM touched_order) t
        JOIN stored_order USING (id) JOIN orders_order o USING (id)
        UNION ALL
        SELECT o.id, o.order_id FROM orders_order o WHERE o.id >= %(first_new)s AND o.source_id = %(source)s AND {HAS_LOG}
        """,
        {"first_new": first_new, "source": source_id},
    )
    entries: dict[str, int] = {}
    for rows in batched(cursor.fetchall(), MAX_ORDERS):
        entries |= append_states(cursor, ids=[key for key, _order_id in rows], at=at)
        derive_imported_orders([OrderKey(source_id, order_id) for _key, order_id in rows], at=at)
    if entries:
        forget_unchanged(cursor, entries, columns)


def forget_unchanged(cursor: CursorWrapper, entries: dict[str, int], columns: Sequence[str]) -> None:
    stored, present = (", ".join(f"{table}.{name}" for name in columns) for table in "so")
    cursor.execute(SELECT_UNCHANGED.format(stored=stored, present=present))
    unchanged = cursor.fetchall()
    if not unchanged:
        return
    cursor.execute("DELETE FROM touched_order WHERE id = ANY(%s)", [[key for key, _order_id in unchanged]])
    needless = [entries[order_id] for _key, order_id in unchanged if order_id in entries]
    cursor.execute("DELETE FROM orders_orderevent WHERE id = ANY(%s)", [needless])
