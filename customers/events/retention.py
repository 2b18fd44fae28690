"""What is thrown away when it is old: receipts, refused items, and events, each source's after its own time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from config.foundation.database.partitions import existing_partitions, month_after
from customers.events.models import RejectedEvent, Source

CHUNK = 10_000

DELETE_RECEIPTS = """
DELETE FROM events_eventreceipt WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM events_eventreceipt WHERE received_at < %s LIMIT %s
))
"""
# what is still waiting has not been processed and stays, however old it is
DELETE_EVENTS = """
DELETE FROM {partition} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {partition} event
    WHERE source_id = ANY(%(sources)s) AND received_at < %(before)s
      AND NOT EXISTS (SELECT FROM events_outbox waiting WHERE waiting.event_id = event.id)
    LIMIT %(chunk)s
))
"""
WAITING = "SELECT EXISTS (SELECT FROM events_outbox JOIN {partition} event ON event.id = event_id)"


def purge_receipts(*, before: datetime) -> int:
    """Deletes receipts older than ``before``: from then on a retry of such an old message would be taken as new."""
    return delete_in_chunks(DELETE_RECEIPTS, [before, CHUNK])


def purge_rejected_events(*, before: datetime) -> int:
    """Deletes refused items older than ``before``."""
    return RejectedEvent.objects.filter(received_at__lt=before).delete()[0]


def purge_events(*, as_of: datetime) -> tuple[list[str], int]:
    """Drops the months that are past every source's retention, and deletes from the others what is past its own source's.

    Returns the dropped partitions and the number of deleted rows. An event that waits to be processed keeps its partition.
    """
    limits = {pk: as_of - timedelta(days=days) for pk, days in Source.objects.values_list("pk", "retention_days")}
    if not limits:
        return [], 0
    dropped, deleted = [], 0
    for name, month in existing_partitions():
        if month is not None and end_of(month) <= min(limits.values()) and drop_partition(name):
            dropped.append(name)
            continue
        begins = datetime.min.replace(tzinfo=UTC) if month is None else start_of(month)
        for before, sources in sources_by_limit(limits).items():
            if begins < before:
                statement = sql.SQL(DELETE_EVENTS).format(partition=sql.Identifier(name)).as_string(None)
                deleted += delete_in_chunks(statement, {"sources": sources, "before": before, "chunk": CHUNK})
    return dropped, deleted


def sources_by_limit(limits: dict[int, datetime]) -> dict[datetime, list[int]]:
    grouped: dict[datetime, list[int]] = {}
    for source_id, limit in limits.items():
        grouped.setdefault(limit, []).append(source_id)
    return grouped


def drop_partition(name: str) -> bool:
    """Drops a month unless something in it waits to be processed."""
    partition = sql.Identifier(name)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL(WAITING).format(partition=partition).as_string(None))
        if cursor.fetchone()[0]:
            return False
        cursor.execute(sql.SQL("DROP TABLE {partition}").format(partition=partition).as_string(None))
    return True


def delete_in_chunks(statement: str, given: Any) -> int:
    """Each chunk is a transaction of its own, so that the collector never waits for a long one."""
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, given)
            deleted += cursor.rowcount
            if cursor.rowcount < CHUNK:
                return deleted


def start_of(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def end_of(month: date) -> datetime:
    return start_of(month_after(month))
