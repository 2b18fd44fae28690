"""The shop of benchmarks.pages: the demo shop, whose customers are copied in the database until there are as many as requested.

A copy of a customer has its own identifiers, consents, profile, and the latest of its orders, stage changes, event counts and events, so
that a million customers need about ten gigabytes and some minutes.
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from benchmarks.neighbours import log

LATEST = """SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY {owner} ORDER BY {time} DESC, id DESC) AS position FROM {table} WHERE {owner} IS NOT NULL
) AS numbered WHERE position <= {limit}"""
SPREAD_DAYS = 700
MAX_ORDERS, MAX_LINES, MAX_CHANGES, MAX_EVENTS, MAX_SERIES = 3, 2, 3, 2, 5


@dataclass(frozen=True)
class CopiedTable:
    """A table with rows per customer.

    keys: columns with numbers, and the table whose numbers they are. texts: columns that stay unique with the number of the copy. times:
    columns that are earlier in each copy, so that the copies are spread over `SPREAD_DAYS`. where: the rows to copy.
    """

    name: str
    keys: Mapping[str, str]
    texts: Sequence[str] = ()
    where: str = "true"
    times: Sequence[str] = ()
    is_partitioned: bool = False


def pick_latest(table: str, owner: str, time_column: str, limit: int) -> str:
    return LATEST.format(table=table, owner=owner, time=time_column, limit=limit)


ORDERS = pick_latest("orders_order", "customer_id", "placed_at", MAX_ORDERS)
CHANGES = pick_latest("lifecycle_stagetransition", "customer_id", "at", MAX_CHANGES)
EVENTS = pick_latest("events_event", "NULLIF(user_id, '')", "received_at", MAX_EVENTS)
CUSTOMER = "identity_customer"
TABLES = (
    CopiedTable(CUSTOMER, {"id": CUSTOMER}),
    CopiedTable(
        "identity_identifier", {"id": "identity_identifier", "customer_id": CUSTOMER}, ("value",), "kind <> 'anonymous_id'"
    ),
    CopiedTable("identity_consent", {"id": "identity_consent", "customer_id": CUSTOMER}),
    CopiedTable(
        "orders_order", {"id": "orders_order", "customer_id": CUSTOMER}, ("order_id",), f"s.id IN ({ORDERS})", ("placed_at",)
    ),
    CopiedTable(
        "orders_orderline",
        {"id": "orders_orderline", "order_id": "orders_order"},
        (),
        f"s.order_id IN ({ORDERS}) AND s.line_number <= {MAX_LINES}",
    ),
    CopiedTable("lifecycle_customerprofile", {"customer_id": CUSTOMER}, times=("last_order_at",)),
    CopiedTable(
        "lifecycle_stagetransition",
        {"id": "lifecycle_stagetransition", "customer_id": CUSTOMER},
        (),
        f"s.id IN ({CHANGES})",
        ("at",),
    ),
    CopiedTable(
        "segments_eventcount",
        {"customer_id": CUSTOMER},
        (),
        f"""(s.customer_id, s.series_id) IN (SELECT customer_id, series_id FROM (
            SELECT customer_id, series_id, row_number() OVER (PARTITION BY customer_id ORDER BY series_id) AS position
            FROM segments_eventcount) AS numbered WHERE position <= {MAX_SERIES})""",
        is_partitioned=True,
    ),
    CopiedTable(
        "events_event",
        {"id": "events_event"},
        ("message_id", "user_id", "anonymous_id"),
        f"s.id IN ({EVENTS})",
        is_partitioned=True,
    ),
)  # fmt: skip


def multiply_customers(customers: int) -> None:
    """Copy the customers of the database until there are at least so many."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("SET session_replication_role = replica")  # no triggers and checks: all keys are valid
        connection.execute("SET maintenance_work_mem = '256MB'")
        present = read_number(connection, "SELECT count(*) FROM identity_customer")
        copies = -(-customers // present) - 1
        if copies < 1:
            return
        steps = {
            table.name: read_number(connection, f"SELECT COALESCE(max(id), 0) FROM {table.name}")
            for table in TABLES
            if "id" in table.keys
        }
        for table in TABLES:
            started = time.monotonic()
            rows = copy_rows(connection, table, copies=copies, steps=steps)
            log(f"{rows:,} rows of {table.name} in {time.monotonic() - started:.0f} s.")
        for name in steps:
            connection.execute(
                sql.SQL("SELECT setval(pg_get_serial_sequence({name}, 'id'), (SELECT max(id) FROM {table}))").format(
                    name=name, table=sql.Identifier(name)
                )
            )
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def read_number(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def copy_rows(connection: psycopg.Connection, table: CopiedTable, *, copies: int, steps: Mapping[str, int]) -> int:
    """Insert the copies; the indexes of a table that is not partitioned are dropped meanwhile. Return the number of rows."""
    columns = [
        name
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
            " ORDER BY attnum",
            [table.name],
        )
    ]
    values = [build_value(table, column, steps, days=SPREAD_DAYS / copies) for column in columns]
    indexes = [] if table.is_partitioned else drop_indexes(connection, table.name)
    cursor = connection.execute(
        sql.SQL(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {copies}) AS copy (k)"
            " CROSS JOIN (SELECT s.* FROM {table} AS s WHERE {where}) AS s"
        ).format(
            table=sql.Identifier(table.name),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            values=sql.SQL(", ").join(values),
            copies=copies,
            where=sql.SQL(table.where),
        )
    )
    for definition in indexes:
        connection.execute(definition)
    return cursor.rowcount


def build_value(table: CopiedTable, column: str, steps: Mapping[str, int], *, days: float) -> sql.Composable:
    """Return the value of a column in copy k."""
    name = sql.Identifier("s", column)
    if column in table.keys:
        return sql.SQL("{} + k * {}").format(name, steps[table.keys[column]])
    if column in table.times:
        return sql.SQL("{} - k * {}::float8 * interval '1 day'").format(name, days)
    if column in table.texts:
        return sql.SQL("CASE WHEN {} = '' THEN '' ELSE {} || '-' || k END").format(name, name)
    return name


def drop_indexes(connection: psycopg.Connection, table: str) -> list[str]:
    """Drop the indexes that belong to no constraint; return their definitions."""
    rows = connection.execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = %s::regclass"
        " AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)",
        [table],
    ).fetchall()
    for name, _definition in rows:
        connection.execute(f"DROP INDEX {name}")
    return [definition for _name, definition in rows]
