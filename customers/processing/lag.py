"""Measures how far processing is behind: how many events wait, and for how long."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

# ids follow the order of arrival, except for calls that were in progress at the same time
MEASURE_LAG = """
SELECT count(*), (SELECT received_at FROM events_outbox ORDER BY event_id LIMIT 1) FROM events_outbox
"""


@dataclass(frozen=True)
class ProcessingLag:
    """The number of waiting events, and how long and since when the oldest has waited."""

    waiting: int
    oldest_seconds: float
    since: datetime | None


def measure_lag(*, at: datetime) -> ProcessingLag:
    with connection.cursor() as cursor:
        cursor.execute(MEASURE_LAG)
        waiting, oldest = cursor.fetchone()
    return ProcessingLag(waiting, max(0.0, (at - oldest).total_seconds()) if oldest else 0.0, oldest)
