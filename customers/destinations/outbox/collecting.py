"""Notes the rows that destinations are to receive, in the transaction that saves the position after them."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from customers.destinations.models import Destination
from customers.destinations.outbox.streams import STREAMS

# transactions commit in another order than their IDs: so many IDs before the position are read again, and found by their key
OVERLAP = 10_000
MAX_IDS = 50_000  # of one transaction; a run notes fewer than twice as many rows of a stream
QUIET = timedelta(minutes=5)  # after which nothing before the position can appear any more

INSERT_RECORDS = """
INSERT INTO destinations_outgoingrecord (destination_id, stream, source_id, customer_id, occurred_at, created_at)
SELECT %(destination)s, %(stream)s, r.id, r.customer_id, r.at, %(now)s FROM ({new}) r
WHERE NOT EXISTS (SELECT FROM destinations_outgoingrecord k
                  WHERE k.destination_id = %(destination)s AND k.stream = %(stream)s AND k.source_id = r.id)
ORDER BY r.id
ON CONFLICT (destination_id, stream, source_id) DO NOTHING
"""


def start_cursors(destination: Destination, *, at: datetime, with_history: bool = False) -> None:
    """Let streams without a position begin now, or at the first row."""
    for stream in destination.streams:
        if stream not in destination.cursors:
            start = 0 if with_history else find_latest(stream)
            destination.cursors[stream] = {"start": start, "id": start, "changed_at": at.isoformat()}
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
    latest, collected = find_latest(stream), 0
    while True:
        collected += collect_range(destination, stream, latest=latest, at=at)
        if collected >= MAX_IDS or destination.cursors[stream]["id"] >= latest:
            return collected


def collect_range(destination: Destination, stream: str, *, latest: int, at: datetime) -> int:
    """Note the rows of the next IDs of a stream, and save the position after them; return how many."""
    position = destination.cursors[stream]
    until = min(latest, position["id"] + MAX_IDS)
    if until <= position["id"]:
        if at - datetime.fromisoformat(position["changed_at"]) > QUIET:
            return 0
        until = position["id"]
    else:
        position = {**position, "changed_at": at.isoformat()}
    parameters: dict[str, Any] = {
        "destination": destination.pk,
        "stream": stream,
        "now": at,
        "after": max(destination.cursors[stream]["id"] - OVERLAP, position["start"]),
        "until": until,
        "segments": list(destination.segments.values_list("pk", flat=True)) if stream == "segment_entries" else [],
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT_RECORDS.format(new=STREAMS[stream].new), parameters)
        collected = cursor.rowcount
        destination.cursors = {**destination.cursors, stream: {**position, "id": until}}
        destination.save(update_fields=["cursors"])
    return collected


def find_latest(stream: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(STREAMS[stream].latest)
        return int(cursor.fetchone()[0])
