"""Anonymizes events that still arrive for erased people: late ones, retries of SDKs, imports and replays.

The event is counted, because an order or a refund must not be lost, but identifies nobody, as without consent to analytics.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from customers.events.collector.parsing import EventRow, anonymize_context, anonymize_properties
from customers.identity.erased.blocked_identifiers import blocked_index
from customers.identity.personal_data.masking import PERSONAL_PART

WARNING = "erased_person"


def anonymize_erased(rows: Sequence[EventRow], database: Any) -> None:
    """Anonymize the rows with an identifier of an erased person, in place. database: the connection that stores them."""
    blocked_index.refresh(database)
    for position in blocked_index.find_any([list_names(row) for row in rows]):
        anonymize_row(rows[position])


def list_names(row: EventRow) -> list[str]:
    """Return the identifiers of an event as "kind:value"."""
    event = row.stored
    names = [f"user_id:{event.user_id}"] if event.user_id else []
    if event.anonymous_id:
        names.append(f"anonymous_id:{event.anonymous_id}")
    if row.decider is not None:
        names += [
            f"{kind}:{value}" for kind, value in zip(("user_id", "anonymous_id"), row.decider, strict=True) if value
        ]
    if row.previous_id:
        names += [f"user_id:{row.previous_id}", f"anonymous_id:{row.previous_id}"]
    return names


def anonymize_row(row: EventRow) -> None:
    """Remove the identifiers, the session and what describes the person."""
    event = row.stored
    properties = anonymize_properties(event.type, msgspec.json.decode(event.properties))
    properties.pop(PERSONAL_PART, None)
    context = anonymize_context(msgspec.json.decode(event.context))
    row.stored = msgspec.structs.replace(
        event,
        user_id="",
        anonymous_id="",
        session_id="",
        properties=msgspec.json.encode(properties),
        context=msgspec.json.encode(context),
    )
    row.meaning = row.previous_id = ""
    row.decider = None
    row.is_personalized = False
    row.warning = WARNING
