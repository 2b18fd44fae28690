"""Events that are stored and yet mean nothing to the room they speak to: kept as dead letters, to be mended and sent again."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from customers.events.models import RejectedEvent
from customers.processing.routing import plain

MOST_CODE = 50
MOST_REASON = 500
MOST_MESSAGE_ID = 99
PROCESSING_FAILED = "processing_failed"

READ = """
SELECT id, source_id, message_id, type, name, user_id, anonymous_id, occurred_at, received_at, properties, context
FROM events_event WHERE id = ANY(%s)
"""


class RefusedEvent(NamedTuple):
    """A stored event, with why it could not be processed."""

    event_id: int
    code: str
    reason: str


def refuse_events(refused: Iterable[RefusedEvent]) -> int:
    """Writes dead letters, in the caller's transaction; how many.

    The letter bears a message id of its own: with the first one, which has been taken, a mended event would count as a repetition.
    """
    why = {one.event_id: one for one in refused}
    if not why:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(READ, [list(why)])
        names = [column.name for column in cursor.description]
        events = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    RejectedEvent.objects.bulk_create(
        RejectedEvent(
            source_id=event["source_id"],
            payload=msgspec.json.encode(item_of(event)).decode(),
            code=why[event["id"]].code[:MOST_CODE],
            reason=why[event["id"]].reason[:MOST_REASON],
            received_at=event["received_at"],
        )
        for event in events
    )
    return len(events)


def item_of(event: dict[str, Any]) -> dict[str, Any]:
    """The event as its SDK would send it."""
    said = plain(object_of(event["properties"]))
    kind = event["type"]
    item = {
        "type": kind,
        "messageId": f"again-{event['message_id']}"[:MOST_MESSAGE_ID],
        "userId": event["user_id"] or None,
        "anonymousId": event["anonymous_id"] or None,
        "timestamp": event["occurred_at"],
        "context": object_of(event["context"]),
    }
    named = {"track": "event", "group": "groupId"}.get(kind, "name")
    item |= {named: event["name"]} if event["name"] else {}
    if kind == "alias":
        item["previousId"] = said.pop("previousId", None)
    return item | {"traits" if kind in ("identify", "group") else "properties": said}


def object_of(text: Any) -> dict[str, Any]:
    found = msgspec.json.decode(text) if isinstance(text, str) else text
    return found if isinstance(found, dict) else {}
