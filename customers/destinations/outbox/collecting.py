"""Notes the rows that destinations are to receive, in the transaction that saves the position after them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from customers.destinations.models import DataStream, Destination
from customers.destinations.outbox.streams import STREAMS

MAX_IDS = 50_000  # of one transaction; a run notes fewer than twice as many rows of a stream
# At most this many events before the position are read again: there are many events, and transactions that add them are short.
MAX_EVENTS_AGAIN = 10_000
# The oldest transaction that is open, and the next one that will begin. (The end of a snapshot is no bound: it only follows the newest
# transaction that has ended.)
READ_HORIZON = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_current_xact_id()::text::bigint + 1
"""
INSERT_RECORDS = """
INSERT INTO destinations_outgoingrecord (destination_id, stream, source_id, customer_id, occurred_at, created_at)
SELECT %(destination)s, %(stream)s, r.id, r.customer_id, r.at, %(now)s FROM ({new}) r
WHERE NOT EXISTS (SELECT FROM destinations_outgoingrecord k
                  WHERE k.destination_id = %(destination)s AND k.stream = %(stream)s AND k.source_id = r.id)
ORDER BY r.id
ON CONFLICT (destination_id, stream, source_id) DO NOTHING
"""


def start_cursors(destination: Destination, *, with_history: bool = False) -> None:
    """Set the position of streams without one to now, or to the first row."""
    for stream in destination.streams:
        if stream not in destination.cursors:
            start = 0 if with_history else find_latest(stream)
            destination.cursors[stream] = {"start": start, "id": start, "complete": start}
    destination.save(update_fields=["cursors"])


def collect_records(*, at: datetime) -> int:
    """Note the new rows of every enabled destination; return how many."""
    collected = 0
    for destination in Destination.objects.filter(is_enabled=True).order_by("pk"):
        for stream in destination.streams:
            if stream in STREAMS and stream in destination.cursors:
                collected += collect_stream(destination, stream, at=at)
    return collected


def collect_stream(destination: Destination, stream: str, *, at: datetime) -> int:
    """Note the new rows of a stream, up to `MAX_IDS` of them and to the end of a range; return how many."""
    latest = find_latest(stream)
    collected = collect_range(destination, stream, latest=latest, at=at, reads_again=True)
    while True:
        if collected >= MAX_IDS or destination.cursors[stream]["id"] >= latest:
            return collected
        collected += collect_range(destination, stream, latest=latest, at=at, reads_again=False)


def collect_range(destination: Destination, stream: str, *, latest: int, at: datetime, reads_again: bool) -> int:
    """Note the rows of the next IDs of a stream, and save the position after them; return how many.

    Transactions do not commit in the order of their IDs, so the first range of a run begins with the rows after ``complete``, which are
    found by their key.
    """
    position = destination.cursors[stream]
    until = max(min(latest, position["id"] + MAX_IDS), position["id"])
    complete = position.get("complete", max(position["id"] - MAX_EVENTS_AGAIN, position["start"]))
    if until == position["id"] == complete:
        return 0
    after = complete if reads_again else position["id"]
    if stream == DataStream.EVENTS:
        after = max(after, position["id"] - MAX_EVENTS_AGAIN)
    parameters: dict[str, Any] = {
        "destination": destination.pk,
        "stream": stream,
        "now": at,
        "after": after,
        "until": until,
        "segments": list(destination.segments.values_list("pk", flat=True)) if stream == "segment_entries" else [],
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(READ_HORIZON)
        oldest_open, next_transaction = cursor.fetchone()
        stable = find_latest(stream)  # read now, because rows that those transactions have added may not be ready yet
        cursor.execute(INSERT_RECORDS.format(new=STREAMS[stream].new), parameters)
        collected = cursor.rowcount
        position = {**position, "complete": complete, "id": until}
        if reads_again:
            position = move_horizon(position, latest=stable, oldest_open=oldest_open, next_transaction=next_transaction)
        destination.cursors = {**destination.cursors, stream: position}
        destination.save(update_fields=["cursors"])
    return collected


def move_horizon(
    position: Mapping[str, Any], *, latest: int, oldest_open: int, next_transaction: int
) -> dict[str, Any]:
    """Return a position whose rows after ``complete`` were read again, with the next ``complete``.

    All rows up to ``candidate`` are noted once every transaction before ``awaited`` has ended, because any transaction that took one of these
    IDs had begun by then. ``awaited`` is set a run later than ``candidate``: a transaction takes an ID just before it gets its number.
    """
    candidate, awaited = position.get("candidate"), position.get("awaited")
    kept = {name: position[name] for name in ("start", "id", "complete")}
    if candidate is None:
        return {**kept, "candidate": position["id"]}
    if awaited is None:
        return {**kept, "candidate": candidate, "awaited": next_transaction}
    if oldest_open < awaited or latest < candidate:
        return {**kept, "candidate": candidate, "awaited": awaited}
    return {**kept, "complete": candidate, **({} if candidate == position["id"] else {"candidate": position["id"]})}


def find_latest(stream: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(STREAMS[stream].latest)
        return int(cursor.fetchone()[0])
