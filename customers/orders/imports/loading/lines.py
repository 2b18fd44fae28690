"""Writes the order lines of an import."""

# ruff: noqa: S608 — the names in the statements are constants of this package, values are parameters

from collections.abc import Callable, Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from config.foundation.database.index_rebuild import disable_triggers
from customers.orders.imports.arrow_copy import copy_batches
from customers.orders.imports.loading.load_result import COPY_ROWS, LoadResult
from customers.orders.imports.staging import Staging

LINE_COLUMNS = ("order_id", "line_number", "product_id", "quantity", "unit_price", "discount", "total")
VALUE_COLUMNS = LINE_COLUMNS[2:]
# What these triggers record of the lines of new orders, the triggers of the orders have recorded already.
REDUNDANT_TRIGGERS = ("imports_inserted", "segments_counts_inserted")
SELECT_LINES = """
SELECT o.id AS order_id, l.line_number, p.id AS product_id, l.quantity, l.unit_price, l.discount, l.total
FROM lines l JOIN order_ids o USING (seq) JOIN products p USING (product_id)
WHERE l.problem IS NULL AND {condition} ORDER BY o.id, l.line_number
"""


def create_lines(
    cursor: CursorWrapper, staging: Staging, progress: Callable[[int], None], *, is_table_locked: bool
) -> int:
    """Write the lines of new orders; return how many.

    is_table_locked: whether this transaction has locked the table of lines exclusively, so that its triggers can be disabled.
    """
    batches = staging.stream(SELECT_LINES.format(condition="o.is_new"), COPY_ROWS)
    with disable_triggers(cursor, "orders_orderline", REDUNDANT_TRIGGERS if is_table_locked else ()):
        return copy_batches(cursor, "orders_orderline", LINE_COLUMNS, batches, progress)


def update_lines(cursor: CursorWrapper, staging: Staging, result: LoadResult, progress: Callable[[int], None]) -> None:
    """Make the lines of known orders equal to those of the file, and set the result's counts.

    Leaves the temporary tables ``imported_line`` and ``touched_order`` (the IDs of orders whose lines changed; without the rest).
    """
    cursor.execute(
        "CREATE TEMPORARY TABLE touched_order (id bigint, kind text, previous_customer_id bigint) ON COMMIT DROP"
    )
    cursor.execute(
        f"CREATE TEMPORARY TABLE imported_line ON COMMIT DROP AS SELECT {', '.join(LINE_COLUMNS)} FROM orders_orderline LIMIT 0"
    )
    batches = staging.stream(SELECT_LINES.format(condition="NOT o.is_new"), COPY_ROWS)
    staged = copy_batches(cursor, "imported_line", LINE_COLUMNS, batches, progress)
    if not staged:
        return
    cursor.execute("ANALYZE imported_line")
    # updates before inserts: the new lines would otherwise be compared with themselves
    result.counts["lines_updated"] = run_and_record_orders(
        cursor,
        f"""
        UPDATE orders_orderline l SET {", ".join(f"{name} = i.{name}" for name in VALUE_COLUMNS)}
        FROM imported_line i WHERE i.order_id = l.order_id AND i.line_number = l.line_number
          AND ({", ".join(f"l.{name}" for name in VALUE_COLUMNS)})
              IS DISTINCT FROM ({", ".join(f"i.{name}" for name in VALUE_COLUMNS)})
        RETURNING l.order_id
        """,
    )
    result.counts["lines_created"] = run_and_record_orders(
        cursor,
        f"""
        INSERT INTO orders_orderline ({", ".join(LINE_COLUMNS)})
        SELECT {", ".join(f"i.{name}" for name in LINE_COLUMNS)} FROM imported_line i
        LEFT JOIN orders_orderline l ON l.order_id = i.order_id AND l.line_number = i.line_number
        WHERE l.id IS NULL ORDER BY i.order_id, i.line_number
        RETURNING order_id
        """,
    )
    result.counts["lines_unchanged"] = staged - result.counts["lines_updated"] - result.counts["lines_created"]
    if not staging.options.mapping.has("line_number"):
        result.counts["lines_removed"] = remove_surplus_lines(cursor, staging)


def remove_surplus_lines(cursor: CursorWrapper, staging: Staging) -> int:
    """Delete the lines beyond the last row of each known order; return how many.

    Without line numbers, a file has whole orders.
    """
    counts = staging.run("SELECT i.id, h.row_count FROM order_ids i JOIN heads h USING (seq) WHERE NOT i.is_new")
    return run_and_record_orders(
        cursor,
        """
        DELETE FROM orders_orderline l USING unnest(%s::bigint[], %s::bigint[]) AS o(id, row_count)
        WHERE l.order_id = o.id AND l.line_number > o.row_count
        RETURNING l.order_id
        """,
        [[key for key, _ in counts], [rows for _, rows in counts]],
    )


def run_and_record_orders(cursor: CursorWrapper, statement: str, parameters: Sequence[Any] = ()) -> int:
    """Run a statement that returns the order ID of each changed line.

    Record the orders and return the number of lines.
    """
    cursor.execute(
        f"""
        WITH changed(id) AS ({statement}), recorded AS (INSERT INTO touched_order (id) SELECT DISTINCT id FROM changed)
        SELECT count(*) FROM changed
        """,
        parameters,
    )
    return cursor.fetchone()[0]
