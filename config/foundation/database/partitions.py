"""Tables partitioned by month: partitions are created ahead of time, and retention drops whole partitions."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db import connection, transaction
from psycopg import sql


@dataclass(frozen=True)
class MonthlyPartitions:
    """A table that is partitioned by the UTC month of its column ``moment``, with a default partition."""

    table: str
    moment: str


EVENTS = MonthlyPartitions("events_event", "received_at")


def get_next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def ensure_partitions(*, as_of: datetime, months_ahead: int = 2, of: MonthlyPartitions = EVENTS) -> list[str]:
    """Create the partitions of the month of ``as_of`` and the next ones; return the names of the new partitions.

    Rows of a new partition's month are moved there from the default partition, so a late run loses nothing.
    """
    created = []
    month = as_of.astimezone(UTC).date().replace(day=1)
    for _ in range(months_ahead + 1):
        following = get_next_month(month)
        if name := create_partition(month, following, of=of):
            created.append(name)
        month = following
    return created


def create_partition(first: date, following: date, *, of: MonthlyPartitions = EVENTS) -> str:
    """Create the partition from ``first`` to before ``following``; return its name, or "" if it exists."""
    name = f"{of.table}_{first:%Y_%m}"
    statements = sql.SQL(
        "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;"
        "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);"
        "WITH moved AS (DELETE FROM {default} WHERE {moment} >= {low} AND {moment} < {high} RETURNING *)"
        " INSERT INTO {name} SELECT * FROM moved;"
        "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"
    ).format(
        table=sql.Identifier(of.table),
        default=sql.Identifier(f"{of.table}_default"),
        moment=sql.Identifier(of.moment),
        name=sql.Identifier(name),
        low=sql.Literal(f"{first} 00:00+00"),
        high=sql.Literal(f"{following} 00:00+00"),
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is not None:
            return ""
        cursor.execute(statements.as_string(cursor.connection))
    return name


def create_index(name: str, definition: str, *, of: MonthlyPartitions) -> None:
    """Create an index of a partitioned table without blocking writes, outside a transaction; it can be repeated after an interruption.

    PostgreSQL cannot build the index of the whole table concurrently, but attaches equal ones of the partitions instead of building them.

    Args:
        definition: columns and condition, such as "(user_id) WHERE user_id <> ''".
    """
    with connection.cursor() as cursor:
        for partition, _month in list_partitions(of=of):
            own_name = name.replace(of.table, partition, 1)
            cursor.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {own_name} ON {partition} {definition}")
        cursor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {of.table} {definition}")


def list_partitions(*, of: MonthlyPartitions = EVENTS) -> list[tuple[str, date | None]]:
    """Return the names and months of the partitions, oldest first; the default partition has no month."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid"
            " WHERE inhparent = %s::regclass ORDER BY relname",
            [of.table],
        )
        names = [name for (name,) in cursor.fetchall()]
    return [(name, parse_partition_month(name, of=of)) for name in names]


def parse_partition_month(partition: str, *, of: MonthlyPartitions = EVENTS) -> date | None:
    match = re.fullmatch(rf"{of.table}_(\d{{4}})_(\d{{2}})", partition)
    return date(int(match[1]), int(match[2]), 1) if match else None
