"""Monthly partitions of the event table: made ahead of time, so that retention is a DROP."""

import re
from datetime import UTC, date, datetime

from django.db import connection, transaction
from psycopg import sql


def month_after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def ensure_partitions(*, as_of: datetime, months_ahead: int = 2) -> list[str]:
    """Makes the partitions of the month of ``as_of`` and the following ones; returns the names of the new ones.

    A month whose rows already lie in the default partition gets them moved, so that being late loses nothing.
    """
    made = []
    month = as_of.astimezone(UTC).date().replace(day=1)
    for _ in range(months_ahead + 1):
        following = month_after(month)
        if name := make_partition(month, following):
            made.append(name)
        month = following
    return made


def make_partition(first: date, following: date) -> str:
    name = f"events_event_{first:%Y_%m}"
    statements = sql.SQL(
        "LOCK TABLE events_event IN ACCESS EXCLUSIVE MODE;"
        "CREATE TABLE {name} (LIKE events_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS);"
        "WITH moved AS (DELETE FROM events_event_default WHERE received_at >= {low} AND received_at < {high} RETURNING *)"
        " INSERT INTO {name} SELECT * FROM moved;"
        "ALTER TABLE events_event ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"
    ).format(name=sql.Identifier(name), low=sql.Literal(f"{first} 00:00+00"), high=sql.Literal(f"{following} 00:00+00"))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0] is not None:
            return ""
        cursor.execute(statements.as_string(cursor.connection))
    return name


def existing_partitions() -> list[tuple[str, date | None]]:
    """Names and months of the event table's partitions, oldest first; the default partition has no month."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid"
            " WHERE inhparent = 'events_event'::regclass ORDER BY relname"
        )
        names = [name for (name,) in cursor.fetchall()]
    return [(name, month_of(name)) for name in names]


def month_of(partition: str) -> date | None:
    found = re.fullmatch(r"events_event_(\d{4})_(\d{2})", partition)
    return date(int(found[1]), int(found[2]), 1) if found else None
