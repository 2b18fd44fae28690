"""Rejects stored events that cannot be processed; they can be corrected and replayed in the back office."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from customers.events.dead_letters.message_ids import build_new_message_id
from customers.events.models import RejectedEvent
from customers.identity.personal_data.personal_texts import hide_personal_text
from customers.orders.order_events.projection import UnmatchedReturn
from customers.processing.routing import unseal_properties

MAX_CODE = 50
MAX_REASON = 500
PROCESSING_FAILED = "processing_failed"
UNMATCHED_RETURN = "unmatched_return"

READ_REJECTED = """
SELECT id, source_id, message_id, type, name, user_id, anonymous_id, occurred_at, received_at, properties, context
FROM events_event WHERE id = ANY(%s)
"""


FIND_EVENTS = """
SELECT e.source_id, e.message_id, e.id
FROM unnest(%(sources)s::bigint[], %(messages)s::text[]) AS w (source_id, message_id)
JOIN events_eventreceipt r ON r.source_id = w.source_id AND r.message_id = w.message_id
JOIN events_event e ON e.received_at = r.received_at AND e.source_id = w.source_id AND e.message_id = w.message_id
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


def build_return_rejections(returns: Sequence[UnmatchedReturn]) -> list[ProcessingRejection]:
    """Return the rejections of refunds, whose events may have been processed before their orders; an event that is gone has none."""
    if not returns:
        return []
    columns: dict[str, Any] = {
        "sources": [item.source_id for item in returns],
        "messages": [item.message_id for item in returns],
    }
    with connection.cursor() as cursor:
        cursor.execute(FIND_EVENTS, columns)
        ids = {(source_id, message_id): event_id for source_id, message_id, event_id in cursor.fetchall()}
    return [
        ProcessingRejection(
            ids[item.source_id, item.message_id],
            UNMATCHED_RETURN,
            f"{item.product_id!r} is not a product of order {item.order_id}, and the refund has no price for it, so it counts as 0; "
            "set product_id to the ID or SKU of a product of the order, or send price or amount.",
        )
        for item in returns
        if (item.source_id, item.message_id) in ids
    ]


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


def parse_object(text: Any) -> dict[str, Any]:
    """Return a JSON column as an object; empty if it is something else."""
    parsed = msgspec.json.decode(text) if isinstance(text, str) else text
    return parsed if isinstance(parsed, dict) else {}
