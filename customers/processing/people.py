"""Who is behind the events of a batch."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers.identity.fields import UnreadableFieldError
from customers.identity.linking import Resolution, Trace, resolve_people
from customers.identity.personal import unseal_personal
from customers.processing.batch import TakenEvent

logger = logging.getLogger(__name__)

SEALED = "$personal"  # the key under which the collector keeps what is personal, encrypted


@dataclass(frozen=True, slots=True)
class People:
    """``customer_ids`` is aligned with the events; None where nothing says who it was."""

    customer_ids: list[int | None]
    resolution: Resolution
    counts: dict[str, int]


def resolve_events(events: Sequence[TakenEvent], *, at: datetime) -> People:
    """Finds or makes the customers of the events, which are in the order in which they happened."""
    resolution = resolve_people(traces=[trace_of(event) for event in events], at=at)
    counts = {
        "without_person": sum(customer_id is None for customer_id in resolution.customer_ids),
        "customers_created": len(resolution.created),
        "merges": len(resolution.merges),
        "conflicts": len(resolution.conflicts),
    }
    return People(resolution.customer_ids, resolution, counts)


def trace_of(event: TakenEvent) -> Trace:
    said = event.said if event.type in ("identify", "alias") else {}
    traits = plain(said) if event.type == "identify" else {}
    return Trace(
        source_id=event.source_id,
        message_id=event.message_id,
        type=event.type,
        occurred_at=event.occurred_at,
        user_id=event.user_id,
        anonymous_id=event.anonymous_id,
        previous_id=text_of(said.get("previousId")) if event.type == "alias" else "",
        device_id=event.device_id or "",
        email=text_of(traits.get("email")),
        phone=text_of(traits.get("phone")),
        traits=traits,
    )


def plain(said: dict[str, Any]) -> dict[str, Any]:
    """What was said with its personal part in clear; without it where the key that sealed it is missing."""
    sealed = said.pop(SEALED, None)
    if not isinstance(sealed, str):
        return said
    try:
        return said | unseal_personal(sealed)
    except (UnreadableFieldError, ValueError) as error:
        logger.warning("The personal part of an event is left out: %s", error)
        return said


def text_of(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
