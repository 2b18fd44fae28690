"""Writes staged orders to the database, set by set, inside the caller's transaction."""

# ruff: noqa: S608 — the names in the statements are constants of this package, values are parameters

from collections.abc import Callable
from datetime import datetime

from django.db import connection
from django.db.backends.utils import CursorWrapper

from config.foundation.database.index_rebuild import rebuild_keys
from customers.orders.imports.loading.customers import load_customers
from customers.orders.imports.loading.known_orders import assign_order_ids
from customers.orders.imports.loading.load_result import LoadResult
from customers.orders.imports.loading.orders import finish_orders, list_changed_customers, load_orders
from customers.orders.imports.loading.products import date_created_products, load_products
from customers.orders.imports.parsing import ImportOptions
from customers.orders.imports.staging import Staging
from customers.orders.signals import orders_changed

# Rebuilding the keys of all lines costs about a sixth of maintaining and checking them for each new line.
MIN_LINES_FOR_REBUILD = 50_000
REBUILD_RATIO = 4
TEMPORARY_TABLES = (
    "imported_key",
    "imported_product",
    "imported_customer",
    "imported_order",
    "imported_line",
    "touched_order",
    "created_customer",
    "stored_order",
)


def load_staged_orders(
    *,
    staging: Staging,
    options: ImportOptions,
    source_id: int,
    at: datetime,
    create_products: bool,
    progress: Callable[[int], None],
) -> LoadResult:
    """Write the valid staged rows and return what changed.

    Database errors are left to the caller.
    """
    result = LoadResult()
    with connection.cursor() as cursor:
        tune_session(cursor)
        # temporary tables end with the transaction; an import inside a longer one may find those of the previous import
        cursor.execute(f"DROP TABLE IF EXISTS {', '.join(f'pg_temp.{name}' for name in TEMPORARY_TABLES)}")
        result.counts["products_created"] = load_products(cursor, staging, at=at, create=create_products)
        staging.sum_orders()
        result.counts["customers_created"] = load_customers(cursor, staging, options, at=at)
        assign_order_ids(cursor, staging, source_id=source_id)
        new_lines = staging.fetch_value(
            "SELECT count(*) FROM lines l JOIN order_ids o USING (seq) WHERE l.problem IS NULL AND o.is_new"
        )
        if new_lines >= MIN_LINES_FOR_REBUILD and has_fewer_rows(cursor, "orders_orderline", REBUILD_RATIO * new_lines):
            with rebuild_keys(cursor, ["orders_order", "orders_orderline"]) as are_locked:
                load_orders(
                    cursor,
                    staging,
                    options,
                    result,
                    source_id=source_id,
                    at=at,
                    progress=progress,
                    are_tables_locked=are_locked,
                )
        else:
            load_orders(cursor, staging, options, result, source_id=source_id, at=at, progress=progress)
        finish_orders(cursor, staging, result, source_id=source_id, at=at)
        if result.counts["products_created"]:
            date_created_products(cursor, at=at)
        # last, because what receivers write locks rows until the transaction ends, which may be much later for a large file
        if customer_ids := list_changed_customers(cursor, staging):
            orders_changed.send(sender=None, customer_ids=customer_ids)
    result.counts |= count_line_types(staging)
    return result


def tune_session(cursor: CursorWrapper) -> None:
    """Give this transaction the memory that sorting and index building need."""
    cursor.execute("SET LOCAL work_mem = '128MB'")
    cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
    cursor.execute("SELECT has_parameter_privilege('wal_compression', 'SET')")
    if cursor.fetchone()[0]:
        cursor.execute("SET LOCAL wal_compression = off")  # compressing the log takes longer than building the indexes


def has_fewer_rows(cursor: CursorWrapper, table: str, rows: int) -> bool:
    """Return whether a table has fewer rows than this, without counting all of them."""
    cursor.execute(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT %s) AS sample", [rows])
    return cursor.fetchone()[0] < rows


def count_line_types(staging: Staging) -> dict[str, int]:
    """Count the valid lines that belong to guests, those that are returns, and those that are free of charge."""
    (row,) = staging.run(
        f"""
        SELECT count(*) FILTER (i.id IS NULL), count(*) FILTER (l.quantity < 0), count(*) FILTER (l.total = 0)
        FROM lines l JOIN orders o USING (seq) LEFT JOIN email_hashes USING (email)
        LEFT JOIN customers c ON c.identity = {staging.identity_column} LEFT JOIN customer_ids i ON i.key = c.key
        WHERE l.problem IS NULL
        """
    )
    return dict(zip(("guest_lines", "return_lines", "free_lines"), row, strict=True))
