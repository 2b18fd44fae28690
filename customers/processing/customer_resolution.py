"""Finds the customers behind a batch of events, and which of their identifiers belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers.events.personal_parts import PERSONAL_PART
from customers.identity.models import Identifier
from customers.identity.personal_data.wechat_ids import list_wechat_ids
from customers.identity.resolution.resolution import IdentityEvent, ResolutionResult, resolve_people
from customers.processing.outbox import OutboxEvent
from customers.processing.routing import unseal_properties

ADDRESS_MARKS = (
    PERSONAL_PART,
    '"email"',
    '"phone"',
)  # properties with an email address or phone number contain one of these
LINKED_IDENTIFIER_TYPES = (Identifier.Kind.USER_ID, Identifier.Kind.ANONYMOUS_ID)


@dataclass(frozen=True, slots=True)
class ResolvedCustomers:
    """``customer_ids`` is aligned with the events; None if no ID identifies a customer."""

    customer_ids: list[int | None]
    resolution: ResolutionResult

    @property
    def counts(self) -> dict[str, int]:
        return {
            "without_person": sum(customer_id is None for customer_id in self.customer_ids),
            "customers_created": len(self.resolution.created),
            "merges": len(self.resolution.merges),
            "conflicts": len(self.resolution.conflicts),
        }


def resolve_event_customers(events: Sequence[OutboxEvent], *, at: datetime) -> ResolvedCustomers:
    """Find or create the customers of the events, which must be in order of occurrence."""
    resolution = resolve_people(events=[build_identity_event(event) for event in events], at=at)
    return ResolvedCustomers(resolution.customer_ids, resolution)


def build_identity_event(event: OutboxEvent) -> IdentityEvent:
    """Return the identity of an event; identify and alias calls have more than the IDs.

    A clock that is ahead must not date it in the future: a customer is seen, and a trait is set, at the latest on receipt.
    """
    occurred_at = min(event.occurred_at, event.received_at)
    if event.type not in ("identify", "alias"):
        named = read_named_addresses(event) if event.is_trusted and event.properties else {}
        return IdentityEvent(
            event.source_id,
            event.message_id,
            event.type,
            occurred_at,
            event.user_id,
            event.anonymous_id,
            device_id=event.device_id or "",
            is_trusted=event.is_trusted,
            is_verified=event.is_verified,
            claimed_email=to_text(named.get("email")),
            claimed_phone=to_text(named.get("phone")),
            claimed_wechat_ids=list_wechat_ids(named),
        )
    properties = event.parsed_properties
    traits = unseal_properties(properties) if event.type == "identify" else {}
    wechat_ids = list_wechat_ids(traits)
    return IdentityEvent(
        source_id=event.source_id,
        message_id=event.message_id,
        type=event.type,
        occurred_at=occurred_at,
        user_id=event.user_id,
        anonymous_id=event.anonymous_id,
        previous_id=to_text(properties.get("previousId")) if event.type == "alias" else "",
        device_id=event.device_id or "",
        email=to_text(traits.get("email")) if event.is_trusted else "",
        phone=to_text(traits.get("phone")) if event.is_trusted else "",
        traits=traits,
        is_trusted=event.is_trusted,
        is_verified=event.is_verified,
        claimed_email=to_text(traits.get("email")),
        claimed_phone=to_text(traits.get("phone")),
        wechat_ids=wechat_ids if event.is_trusted else (),
        claimed_wechat_ids=wechat_ids,
    )


def read_named_addresses(event: OutboxEvent) -> dict[str, Any]:
    """Return the properties of an event that may name an email address or phone number, decrypted."""
    names_none = not any(name in (event.properties or "") for name in ADDRESS_MARKS)
    return {} if names_none else unseal_properties(event.parsed_properties)


def to_text(value: Any) -> str:
    """Return a text or number as text; empty for anything else."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def find_linked_identifiers(events: Sequence[OutboxEvent], customers: ResolvedCustomers) -> list[list[tuple[str, str]]]:
    """Return the identifiers of each customer for whom these events may have linked several."""
    affected = {kept for kept, _merged in customers.resolution.merges}
    created = set(customers.resolution.created)
    for event, customer_id in zip(events, customers.customer_ids, strict=True):
        if customer_id is None:
            continue
        if event.type in ("identify", "alias") or (customer_id in created and event.user_id and event.anonymous_id):
            affected.add(customer_id)
    if not affected:
        return []
    groups: dict[int, list[tuple[str, str]]] = {}
    identifiers = Identifier.objects.filter(customer__in=affected, kind__in=LINKED_IDENTIFIER_TYPES)
    rows = identifiers.order_by("customer", "id").values_list("customer_id", "kind", "value")
    for customer_id, kind, value in rows:
        groups.setdefault(customer_id, []).append((kind, value))
    return [group for group in groups.values() if len(group) > 1]
