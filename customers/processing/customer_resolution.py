"""Who is behind the events of a batch, and which of their identifiers are one person's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers.identity.models import Identifier
from customers.identity.resolution.resolution import Resolution, Trace, resolve_people
from customers.processing.outbox import TakenEvent
from customers.processing.routing import plain

LINKED_KINDS = (Identifier.Kind.USER_ID, Identifier.Kind.ANONYMOUS_ID)


@dataclass(frozen=True, slots=True)
class People:
    """``customer_ids`` is aligned with the events; None where nothing says who it was."""

    customer_ids: list[int | None]
    resolution: Resolution

    @property
    def counts(self) -> dict[str, int]:
        return {
            "without_person": sum(customer_id is None for customer_id in self.customer_ids),
            "customers_created": len(self.resolution.created),
            "merges": len(self.resolution.merges),
            "conflicts": len(self.resolution.conflicts),
        }


def resolve_events(events: Sequence[TakenEvent], *, at: datetime) -> People:
    """Finds or makes the customers of the events, which are in the order in which they happened."""
    resolution = resolve_people(traces=[trace_of(event) for event in events], at=at)
    return People(resolution.customer_ids, resolution)


def trace_of(event: TakenEvent) -> Trace:
    if event.type not in ("identify", "alias"):
        return Trace(
            event.source_id,
            event.message_id,
            event.type,
            event.occurred_at,
            event.user_id,
            event.anonymous_id,
            device_id=event.device_id or "",
        )
    said = event.said
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


def text_of(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def linked_identifiers(events: Sequence[TakenEvent], people: People) -> list[list[tuple[str, str]]]:
    """The identifiers of each person about whom these events may have said that several are theirs."""
    concerned = {kept for kept, _folded in people.resolution.merges}
    created = set(people.resolution.created)
    for event, customer_id in zip(events, people.customer_ids, strict=True):
        if customer_id is None:
            continue
        if event.type in ("identify", "alias") or (customer_id in created and event.user_id and event.anonymous_id):
            concerned.add(customer_id)
    if not concerned:
        return []
    groups: dict[int, list[tuple[str, str]]] = {}
    found = Identifier.objects.filter(customer__in=concerned, kind__in=LINKED_KINDS).order_by("customer", "id")
    for customer_id, kind, value in found.values_list("customer_id", "kind", "value"):
        groups.setdefault(customer_id, []).append((kind, value))
    return [group for group in groups.values() if len(group) > 1]
