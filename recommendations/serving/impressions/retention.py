"""How long impressions are kept: whole months are dropped, what lies in the month of the limit is deleted."""

from datetime import UTC, datetime

from django.db import connection
from psycopg import sql

from customers.events.partitions import Monthly, existing_partitions
from customers.events.retention import CHUNK, delete_in_chunks, end_of, start_of

IMPRESSIONS = Monthly("serving_impression", "served_at")
DELETE = """
DELETE FROM {partition} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {partition} WHERE served_at < %s LIMIT %s))
"""


def purge_impressions(*, before: datetime) -> tuple[list[str], int]:
    """Drops the months that end before, and deletes the older rows of the others; the dropped partitions and how many rows."""
    dropped, deleted = [], 0
    for name, month in existing_partitions(of=IMPRESSIONS):
        partition = sql.Identifier(name)
        if month is not None and end_of(month) <= before:
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("DROP TABLE {partition}").format(partition=partition).as_string(None))
            dropped.append(name)
        elif month is None or start_of(month) < before.astimezone(UTC):
            deleted += delete_in_chunks(sql.SQL(DELETE).format(partition=partition).as_string(None), [before, CHUNK])
    return dropped, deleted
