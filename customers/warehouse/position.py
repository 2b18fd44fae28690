"""Up to which time of receipt events are processed: an event can occur long before it is received, and be processed even later."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.db import connection

# clocks of several machines differ, and an event is committed a moment after its receipt
CLOCK_TOLERANCE = timedelta(seconds=60)
# transactions commit in another order than their IDs; an import writes a few thousand events per transaction
MAX_UNCOMMITTED_EVENTS = 10_000

READ_POSITION = """
SELECT (SELECT min(received_at) FROM events_outbox), COALESCE((SELECT max(id) FROM events_event), 0)
"""


@dataclass(frozen=True)
class EventPosition:
    """What a reader of the stored events has seen.

    received_before: every event received before this moment is processed. last_id: the newest event; a rejected event that
    is accepted later keeps its time of receipt, but gets a larger ID.
    """

    received_before: datetime
    last_id: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position of a text of `format`."""
        moment, last_id = text.split()
        return cls(datetime.fromisoformat(moment), int(last_id))

    def format(self) -> str:
        """Return the position as text."""
        return f"{self.received_before.isoformat()} {self.last_id}"

    @property
    def first_new_id(self) -> int:
        """The smallest ID that an event stored after this position can have."""
        return max(self.last_id - MAX_UNCOMMITTED_EVENTS, 0) + 1


def read_position(*, as_of: datetime) -> EventPosition:
    """Return the position of the current state; events that are waiting to be processed, and the last minute, are beyond it."""
    with connection.cursor() as cursor:
        cursor.execute(READ_POSITION)
        oldest_waiting, last_id = cursor.fetchone()
    limit = as_of - CLOCK_TOLERANCE
    received_before = limit if oldest_waiting is None else min(limit, oldest_waiting)
    return EventPosition(received_before.replace(microsecond=0), last_id)
