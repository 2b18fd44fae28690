"""Deletes old data: receipts, rejected events, and events after the retention time of their source."""

from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction
from psycopg import sql

from config.foundation.database.partitions import get_next_month, list_partitions
from config.foundation.retention.aged_rows import AgedRows, delete_in_chunks
from customers.events.models import Source

CHUNK = 10_000

# an event that still waits to be processed is kept, however old it is
IS_EXPIRED = """
old.source_id = ANY(%(sources)s) AND old.received_at < %(before)s
AND NOT EXISTS (SELECT FROM events_outbox waiting WHERE waiting.event_id = old.id)
"""
HAS_WAITING_EVENTS = "SELECT EXISTS (SELECT FROM events_outbox JOIN {partition} event ON event.id = event_id)"


def purge_receipts(*, before: datetime) -> int:
    """Delete receipts older than ``before``; a retry of such an old message would then be stored as a new event."""
    return delete_in_chunks("events_eventreceipt", "old.received_at < %(before)s", {"before": before}, chunk=CHUNK)


def purge_rejected_events(*, before: datetime) -> int:
    """Delete rejected events older than ``before``, in chunks."""
    return AgedRows("events.RejectedEvent", "received_at").purge(before)


def purge_events(*, as_of: datetime, only_source: int | None = None) -> tuple[list[str], int]:
    """Drop the months that are older than every source's retention, and delete expired events from the other months.

    A partition with an event that waits to be processed is kept. With ``only_source``, single events of other sources stay.

    Returns:
        The dropped partitions and the number of deleted rows.
    """
    limits = {pk: as_of - timedelta(days=days) for pk, days in Source.objects.values_list("pk", "retention_days")}
    if not limits:
        return [], 0
    dropped, deleted = [], 0
    for name, month in list_partitions():
        if month is not None and get_month_end(month) <= min(limits.values()) and drop_partition(name):
            dropped.append(name)
            continue
        month_start = datetime.min.replace(tzinfo=UTC) if month is None else get_month_start(month)
        wanted = limits if only_source is None else {only_source: limits[only_source]}
        for before, sources in group_sources_by_limit(wanted).items():
            if month_start < before:
                deleted += delete_in_chunks(name, IS_EXPIRED, {"sources": sources, "before": before}, chunk=CHUNK)
    return dropped, deleted


def group_sources_by_limit(limits: dict[int, datetime]) -> dict[datetime, list[int]]:
    """Return the source ids that share each retention limit."""
    grouped: dict[datetime, list[int]] = {}
    for source_id, limit in limits.items():
        grouped.setdefault(limit, []).append(source_id)
    return grouped


def drop_partition(name: str) -> bool:
    """Drop a month unless one of its events waits to be processed; return whether it was dropped."""
    partition = sql.Identifier(name)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL(HAS_WAITING_EVENTS).format(partition=partition).as_string(None))
        if cursor.fetchone()[0]:
            return False
        cursor.execute(sql.SQL("DROP TABLE {partition}").format(partition=partition).as_string(None))
    return True


def get_month_start(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def get_month_end(month: date) -> datetime:
    return get_month_start(get_next_month(month))
