"""Takes events off the outbox: which they are, and what of them the rooms need to know."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from customers.events.event_taxonomy import NAMES, Meaning
from customers.lifecycle.refresh.profile_updates import id_array
from customers.warehouse.index_lookup import by_index

# whose properties say more than which products were looked at
TOLD_BY_PROPERTIES = (
    Meaning.PURCHASE,
    Meaning.ORDER_UPDATE,
    Meaning.REFUND,
    Meaning.CANCELLATION,
    Meaning.REVIEW,
    Meaning.EMAIL_UNSUBSCRIBED,
)
WORDY_NAMES = sorted(name.casefold() for meaning in TOLD_BY_PROPERTIES for name in NAMES[meaning])

CLAIM = """
SELECT event_id, received_at FROM events_outbox
ORDER BY event_id LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
"""
CLAIM_THESE = """
SELECT event_id, received_at FROM events_outbox
WHERE event_id = ANY(%(ids)s::bigint[])
ORDER BY event_id
FOR UPDATE SKIP LOCKED
"""
# two statements: with the moments as constants only the partitions that hold the events are looked at
READ = """
SELECT e.id, e.source_id, s.key, e.message_id, e.type, e.name, e.user_id, e.anonymous_id, e.occurred_at, e.received_at,
       e.session_id, e.context #>> '{device,id}',
       CASE WHEN e.type IN ('identify', 'alias') OR (e.type = 'track' AND lower(trim(e.name)) = ANY(%(wordy)s))
            THEN e.properties END
FROM events_event e
JOIN events_source s ON s.id = e.source_id
WHERE e.id = ANY(%(ids)s::bigint[]) AND e.received_at BETWEEN %(low)s AND %(high)s
ORDER BY e.occurred_at, e.id
"""


class TakenEvent(NamedTuple):
    """One event as the rooms are told of it; ``properties`` is a JSON text, None where nobody needs it."""

    id: int
    source_id: int
    source: str
    message_id: str
    type: str
    name: str
    user_id: str
    anonymous_id: str
    occurred_at: datetime
    received_at: datetime
    session_id: str
    device_id: str | None
    properties: str | None

    @property
    def said(self) -> dict[str, Any]:
        """The properties; empty where they are no object."""
        found = msgspec.json.decode(self.properties) if self.properties else {}
        return found if isinstance(found, dict) else {}


class Claim(NamedTuple):
    """Rows of the outbox that nobody else takes until the transaction ends."""

    ids: list[int]
    low: datetime
    high: datetime


def claim(*, limit: int = 0, ids: Sequence[int] | None = None) -> Claim | None:
    """Locks the rows of the events that have waited longest, or of those named; None when there are none."""
    with connection.cursor() as cursor:
        if ids is None:
            cursor.execute(CLAIM, {"limit": limit})
        else:
            cursor.execute(CLAIM_THESE, {"ids": id_array(ids)})
        rows = cursor.fetchall()
    if not rows:
        return None
    moments = [received_at for _event_id, received_at in rows]
    return Claim([event_id for event_id, _received_at in rows], min(moments), max(moments))


def read_events(claimed: Claim) -> list[TakenEvent]:
    """The events in the order in which they happened; fewer than claimed where retention has taken them away."""
    parameters: dict[str, Any] = {
        "ids": id_array(claimed.ids),
        "low": claimed.low,
        "high": claimed.high,
        "wordy": WORDY_NAMES,
    }
    with by_index(), connection.cursor() as cursor:
        cursor.execute(READ, parameters)
        return [TakenEvent(*row) for row in cursor.fetchall()]


def release(claimed: Claim) -> None:
    """Takes the rows off the outbox, which says that they are processed."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM events_outbox WHERE event_id = ANY(%s::bigint[])", [id_array(claimed.ids)])
