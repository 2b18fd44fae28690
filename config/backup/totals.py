"""Counts and sums that a restore compares with those of the backup."""

from typing import Any

import psycopg

QUERIES = {
    "customers": "SELECT count(*) FROM identity_customer",
    "events": "SELECT count(*) FROM events_event",
    "waiting_events": "SELECT count(*) FROM events_outbox",
    "orders": "SELECT count(*) FROM orders_order",
    "order_lines": "SELECT count(*) FROM orders_orderline",
    "money": "SELECT coalesce(sum(total), 0) FROM orders_orderline",
    "refunds": "SELECT coalesce(sum(amount), 0) FROM orders_refund",
    "deliveries": "SELECT count(*) FROM sending_delivery",
}


def compute_totals(connection: psycopg.Connection[tuple[Any, ...]]) -> dict[str, str]:
    """Return the totals as text, exact to the cent; a table that does not exist has none."""
    totals = {}
    for name, query in QUERIES.items():
        table = query.rpartition(" ")[2]
        exists = connection.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone()
        if exists is not None and exists[0] is not None:
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            totals[name] = str(row[0])
    return totals
