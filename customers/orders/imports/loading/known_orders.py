"""Matches the orders of an import with those in the database."""

# ruff: noqa: S608 — the names in the statements are constants of this package, values are parameters

import pyarrow as pa
from django.db.backends.utils import CursorWrapper

from customers.orders.imports.arrow_arrays import build_integer_array
from customers.orders.imports.arrow_copy import copy_batches, fetch_integers
from customers.orders.imports.loading.load_result import COPY_ROWS, SEQ_IDS
from customers.orders.imports.staging import Staging


def assign_order_ids(cursor: CursorWrapper, staging: Staging, *, source_id: int) -> None:
    """Give each order its database ID, whether the order is known or new.

    Leaves the table ``order_ids`` (seq, id, is_new) and the view ``order_rows`` in DuckDB.
    """
    staging.put_table("known_orders", find_known_orders(cursor, staging, source_id=source_id))
    seqs = staging.connection.sql(
        "SELECT seq FROM orders ANTI JOIN known_orders USING (seq) ORDER BY seq"
    ).to_arrow_table()
    # the ids are taken from the sequence in advance, so that orders and lines can be written by COPY, which returns no ids
    cursor.execute(
        """
        SELECT coalesce(array_agg(nextval(name)), '{}')
        FROM (SELECT pg_get_serial_sequence('orders_order', 'id')::regclass AS name OFFSET 0) AS once, generate_series(1, %s)
        """,
        [seqs.num_rows],
    )
    ids = build_integer_array(cursor.fetchone()[0])
    staging.put_table("new_orders", pa.table([seqs["seq"], ids], schema=SEQ_IDS))
    staging.run(
        """
        CREATE TABLE order_ids AS
        SELECT seq, id, false AS is_new FROM known_orders UNION ALL SELECT seq, id, true FROM new_orders
        """
    )
    staging.run(
        f"""
        CREATE VIEW order_rows AS
        SELECT o.seq, k.id, k.is_new, o.order_id, i.id AS customer_id,
               CASE WHEN i.id IS NULL THEN coalesce(email_hash, '') ELSE '' END AS guest_email_hash,
               o.kind, o.status, o.placed_at::VARCHAR || '+00' AS placed_at, o.currency, o.subtotal, o.discount, o.shipping,
               o.tax, o.total, o.refunded, coalesce(o.coupon, '') AS coupon, coalesce(o.channel, '') AS channel
        FROM orders o JOIN order_ids k USING (seq) LEFT JOIN email_hashes USING (email)
        LEFT JOIN customers c ON c.identity = {staging.identity_column} LEFT JOIN customer_ids i ON i.key = c.key
        """
    )


def find_known_orders(cursor: CursorWrapper, staging: Staging, *, source_id: int) -> pa.Table:
    """Return the file's number (``seq``) and the database ID of the orders that exist already."""
    # the first import of a source needs no comparison of keys
    cursor.execute("SELECT EXISTS (SELECT 1 FROM orders_order WHERE source_id = %s)", [source_id])
    if not cursor.fetchone()[0]:
        return pa.Table.from_batches([], schema=SEQ_IDS)
    cursor.execute("CREATE TEMPORARY TABLE imported_key (seq bigint, order_id text) ON COMMIT DROP")
    orders = staging.stream("SELECT seq, order_id FROM orders", COPY_ROWS)
    copy_batches(cursor, "imported_key", ["seq", "order_id"], orders)
    cursor.execute("ANALYZE imported_key")
    query = "SELECT i.seq, o.id FROM imported_key i JOIN orders_order o ON o.source_id = %s AND o.order_id = i.order_id"
    return fetch_integers(cursor, query, SEQ_IDS, [source_id])
