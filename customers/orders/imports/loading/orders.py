"""Writes the orders of an import."""

# ruff: noqa: S608 — the names in the statements are constants of this package, values are parameters

from collections.abc import Callable
from datetime import datetime

from django.db.backends.utils import CursorWrapper

from catalog.bulk_results import ItemStatus
from customers.orders.imports.arrow_copy import copy_batches
from customers.orders.imports.loading.lines import create_lines, update_lines
from customers.orders.imports.loading.load_result import COPY_ROWS, LoadResult
from customers.orders.imports.loading.logged_orders import log_imported_states, prepare_orders_with_log
from customers.orders.imports.parsing import ImportOptions, quote_text
from customers.orders.imports.staging import Staging

# column of orders_order → the fields of a file that set it; () if every file does
ORDER_COLUMNS: dict[str, tuple[str, ...]] = {
    "customer_id": ("customer_id", "email"),
    "guest_email_hash": ("email",),
    "kind": (),
    "status": ("status", "financial_status", "cancelled_at", "refunded"),
    "placed_at": (),
    "currency": (),
    "subtotal": (),
    "discount": ("order_discount",),
    "shipping": ("shipping",),
    "tax": ("tax",),
    "total": (),
    "refunded": ("refunded", "status", "financial_status"),
    "coupon": ("coupon",),
    "channel": ("channel",),
}
COLUMN_TYPES = {
    "customer_id": "bigint",
    "placed_at": "timestamptz",
    **dict.fromkeys(("subtotal", "discount", "shipping", "tax", "total", "refunded"), "numeric(14,2)"),
}

# An order of an erased customer keeps its anonymous customer number, by which campaign results count it.
KEEP_ANONYMOUS = """
    UPDATE imported_order i SET customer_id = o.customer_id, guest_email_hash = ''
    FROM orders_order o JOIN identity_customer c ON c.id = o.customer_id AND c.erased_at IS NOT NULL
    WHERE o.id = i.id AND i.customer_id IS NULL
"""
# A status "partly refunded" does not state the amount, and an amount does not state that the order was canceled, so what is known is kept.
KEEP_REFUNDED = """
    UPDATE imported_order i SET refunded = o.refunded
    FROM orders_order o WHERE o.id = i.id AND i.status = 'partly_refunded'
"""
KEEP_STATUS = """
    UPDATE imported_order i SET status = o.status
    FROM orders_order o WHERE o.id = i.id AND (i.refunded = 0 OR o.status = 'cancelled')
"""
# Also changes of the orders of guests, although nobody is notified of these: stored results of reports are outdated by them, too.
LOG_CHANGES = """
    INSERT INTO orders_orderchange (id, order_number, kind, changed_at)
    SELECT nextval(pg_get_serial_sequence('orders_orderevent', 'id')), t.id, t.kind, %(at)s
    FROM (SELECT id, coalesce(min(kind), 'updated') AS kind FROM touched_order GROUP BY id) t ORDER BY t.id
"""


def load_orders(
    cursor: CursorWrapper,
    staging: Staging,
    options: ImportOptions,
    result: LoadResult,
    *,
    source_id: int,
    at: datetime,
    progress: Callable[[int], None],
    are_tables_locked: bool = False,
) -> None:
    """Write new and changed orders with their lines, and add to the result's counts; ``finish_orders`` completes them."""
    result.counts["orders_created"] = create_orders(cursor, staging, source_id=source_id, at=at)
    new_lines = create_lines(cursor, staging, progress, is_table_locked=are_tables_locked)
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    result.counts |= dict.fromkeys(("lines_created", "lines_updated", "lines_unchanged", "lines_removed"), 0)
    update_lines(cursor, staging, result, lambda rows: progress(new_lines + rows))
    result.counts["lines_created"] += new_lines
    known = copy_known_orders(cursor, staging)
    prepare_orders_with_log(cursor, tuple(ORDER_COLUMNS))
    if known:
        update_orders(cursor, options)
    result.counts["orders_unchanged"] = known


def finish_orders(cursor: CursorWrapper, staging: Staging, result: LoadResult, *, source_id: int, at: datetime) -> None:
    """Derive the loaded orders that have events, then count and log the changes. This needs the keys of the table of orders."""
    log_imported_states(cursor, staging, columns=tuple(ORDER_COLUMNS), source_id=source_id, at=at)
    cursor.execute("SELECT count(DISTINCT id) FROM touched_order")
    result.counts["orders_updated"] = cursor.fetchone()[0]
    result.counts["orders_unchanged"] -= result.counts["orders_updated"]
    if result.counts["orders_updated"]:
        cursor.execute(LOG_CHANGES, {"at": at})


def create_orders(cursor: CursorWrapper, staging: Staging, *, source_id: int, at: datetime) -> int:
    """Write the new orders; return how many."""
    columns = ["id", "source_id", "order_id", *ORDER_COLUMNS, "created_at"]
    query = f"""
        SELECT id, {int(source_id)} AS source_id, order_id, {", ".join(ORDER_COLUMNS)},
               {quote_text(at.isoformat())} AS created_at
        FROM order_rows WHERE is_new ORDER BY id
    """
    return copy_batches(cursor, "orders_order", columns, staging.stream(query, COPY_ROWS))


def copy_known_orders(cursor: CursorWrapper, staging: Staging) -> int:
    """Copy the file's version of known orders to ``imported_order``; return how many there are."""
    columns = ", ".join(f"{name} {COLUMN_TYPES.get(name, 'text')}" for name in ORDER_COLUMNS)
    cursor.execute(f"CREATE TEMPORARY TABLE imported_order (id bigint, {columns}) ON COMMIT DROP")
    query = f"SELECT id, {', '.join(ORDER_COLUMNS)} FROM order_rows WHERE NOT is_new ORDER BY id"
    known = copy_batches(cursor, "imported_order", ["id", *ORDER_COLUMNS], staging.stream(query, COPY_ROWS))
    cursor.execute("ANALYZE imported_order")
    return known


def update_orders(cursor: CursorWrapper, options: ImportOptions) -> None:
    """Update known orders that differ. Columns that the file lacks keep their values."""
    add_other_lines(cursor, options)
    cursor.execute(KEEP_ANONYMOUS)
    if not options.mapping.has("refunded"):
        cursor.execute(KEEP_REFUNDED)
    elif not options.mapping.has("status", "financial_status", "cancelled_at"):
        cursor.execute(KEEP_STATUS)
    columns = [name for name, fields in ORDER_COLUMNS.items() if not fields or options.mapping.has(*fields)]
    imported = [f"i.{name}" for name in columns]
    cursor.execute(
        f"""
        WITH changed AS (
            UPDATE orders_order o SET {", ".join(f"{name} = i.{name}" for name in columns)}
            FROM imported_order i JOIN orders_order old USING (id) WHERE i.id = o.id
              AND ({", ".join(f"o.{name}" for name in columns)}) IS DISTINCT FROM ({", ".join(imported)})
            RETURNING o.id, CASE
                WHEN o.status = 'cancelled' AND old.status <> 'cancelled' THEN 'cancelled'
                WHEN o.refunded > old.refunded OR (o.status IN ('refunded', 'partly_refunded') AND o.status <> old.status)
                    THEN 'refunded'
                ELSE 'updated' END AS kind, old.customer_id)
        INSERT INTO touched_order (id, kind, previous_customer_id) SELECT id, kind, customer_id FROM changed
        """
    )


def add_other_lines(cursor: CursorWrapper, options: ImportOptions) -> None:
    """Add the stored lines without a valid row in the file to the sums of their orders."""
    total = "" if options.mapping.has("total") else ", total = i.total + other.total"
    cursor.execute(
        f"""
        UPDATE imported_order i SET subtotal = i.subtotal + other.total{total}
        FROM (SELECT l.order_id, sum(l.total) AS total
              FROM orders_orderline l JOIN imported_order o ON o.id = l.order_id
              LEFT JOIN imported_line n ON n.order_id = l.order_id AND n.line_number = l.line_number
              WHERE n.order_id IS NULL GROUP BY l.order_id) AS other
        WHERE other.order_id = i.id
        """
    )


def list_changed_customers(cursor: CursorWrapper, staging: Staging) -> list[int]:
    """Return the customers whose orders the preceding load created, changed or gave to somebody else."""
    created = staging.run("SELECT DISTINCT customer_id FROM order_rows WHERE is_new AND customer_id IS NOT NULL")
    cursor.execute(
        """
        SELECT o.customer_id FROM touched_order t JOIN orders_order o USING (id) WHERE o.customer_id IS NOT NULL
        UNION SELECT previous_customer_id FROM touched_order WHERE previous_customer_id IS NOT NULL
        """
    )
    return sorted({customer_id for (customer_id,) in [*created, *cursor.fetchall()]})


def read_order_statuses(cursor: CursorWrapper, staging: Staging) -> dict[str, ItemStatus]:
    """Return what happened to each order in the preceding load of the same transaction."""
    cursor.execute("SELECT DISTINCT id FROM touched_order")
    touched = {key for (key,) in cursor.fetchall()}
    rows = staging.run("SELECT order_id, id, is_new FROM orders JOIN order_ids USING (seq)")
    return {
        order_id: ItemStatus.CREATED if is_new else ItemStatus.UPDATED if key in touched else ItemStatus.UNCHANGED
        for order_id, key, is_new in rows
    }
