"""How far the processing is behind: what waits, and since when."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

# ids follow the order of arrival but for calls that were under way at the same moment
LAG = """
SELECT count(*), (SELECT received_at FROM events_outbox ORDER BY event_id LIMIT 1) FROM events_outbox
"""


@dataclass(frozen=True)
class Lag:
    """``waiting`` events of which the oldest has waited for ``oldest_seconds``, ``since`` it came."""

    waiting: int
    oldest_seconds: float
    since: datetime | None


def measure_lag(*, at: datetime) -> Lag:
    with connection.cursor() as cursor:
        cursor.execute(LAG)
        waiting, oldest = cursor.fetchone()
    return Lag(waiting, max(0.0, (at - oldest).total_seconds()) if oldest else 0.0, oldest)
