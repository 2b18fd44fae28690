"""Rejects stored events that cannot be processed; they can be corrected and replayed in the back office."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from customers.events.models import RejectedEvent
from customers.identity.personal_data.personal_texts import hide_personal_text
from customers.processing.routing import unseal_properties

MAX_CODE = 50
MAX_REASON = 500
MAX_MESSAGE_ID = 99
PROCESSING_FAILED = "processing_failed"

READ_REJECTED = """
SELECT id, source_id, message_id, type, name, user_id, anonymous_id, occurred_at, received_at, properties, context
FROM events_event WHERE id = ANY(%s)
"""


class ProcessingRejection(NamedTuple):
    """A stored event that cannot be processed, with the reason."""

    event_id: int
    code: str
    reason: str


def reject_events(rejections: Iterable[ProcessingRejection]) -> int:
    """Write rejected events in the caller's transaction; return their number.

    Each gets a new message id: with the original one, which has a receipt, a corrected event would count as a duplicate.
    """
    by_event = {rejection.event_id: rejection for rejection in rejections}
    if not by_event:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(READ_REJECTED, [list(by_event)])
        names = [column.name for column in cursor.description]
        events = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    RejectedEvent.objects.bulk_create(
        RejectedEvent(
            source_id=event["source_id"],
            payload=msgspec.json.encode(rebuild_item(event)).decode(),
            code=by_event[event["id"]].code[:MAX_CODE],
            reason=hide_personal_text(by_event[event["id"]].reason[:MAX_REASON]),
            received_at=event["received_at"],
        )
        for event in events
    )
    return len(events)


def rebuild_item(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event in the form an SDK would send it."""
    properties = unseal_properties(parse_object(event["properties"]))
    call_type = event["type"]
    item = {
        "type": call_type,
        "messageId": build_new_message_id(event["message_id"]),
        "userId": event["user_id"] or None,
        "anonymousId": event["anonymous_id"] or None,
        "timestamp": event["occurred_at"],
        "context": parse_object(event["context"]),
    }
    name_field = {"track": "event", "group": "groupId"}.get(call_type, "name")
    item |= {name_field: event["name"]} if event["name"] else {}
    if call_type == "alias":
        item["previousId"] = properties.pop("previousId", None)
    return item | {"traits" if call_type in ("identify", "group") else "properties": properties}


def build_new_message_id(message_id: str) -> str:
    """Return a message ID for the corrected event: different events get different ones, also if theirs are too long to be extended."""
    new_id = f"again-{message_id}"
    return new_id if len(new_id) <= MAX_MESSAGE_ID else f"again-{sha256(message_id.encode()).hexdigest()}"


def parse_object(text: Any) -> dict[str, Any]:
    """Return a JSON column as an object; empty if it is something else."""
    parsed = msgspec.json.decode(text) if isinstance(text, str) else text
    return parsed if isinstance(parsed, dict) else {}
