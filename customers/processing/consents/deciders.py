"""Finds whom refusals and unsubscribes apply to that were stored without their person, because analytics was refused or not allowed."""

from collections.abc import Sequence

from django.db.models import Q

from customers.identity.models import Identifier
from customers.processing.outbox import OutboxEvent


def find_deciders(events: Sequence[OutboxEvent], customer_ids: Sequence[int | None]) -> list[int | None]:
    """Return the customer of each event, also of refusals that were stored without one. Nobody becomes a customer by refusing."""
    found = list(customer_ids)
    nameless = {position: event.decider for position, event in enumerate(events) if found[position] is None}
    nameless = {position: decider for position, decider in nameless.items() if any(decider)}
    if not nameless:
        return found
    keys = {position: name_decider(*decider) for position, decider in nameless.items()}
    kinds = (Identifier.Kind.USER_ID.value, Identifier.Kind.ANONYMOUS_ID.value)
    wanted = Q(pk__in=[])
    for kind in kinds:
        wanted |= Q(kind=kind, value__in=[value for known, value in keys.values() if known == kind])
    owners = {
        (kind, value): customer_id
        for kind, value, customer_id in Identifier.objects.filter(wanted, customer__erased_at=None).values_list(
            "kind", "value", "customer_id"
        )
    }
    for position, key in keys.items():
        found[position] = owners.get(key)
    return found


def name_decider(user_id: str, anonymous_id: str) -> tuple[str, str]:
    """Return kind and value of the identifier that names the person; a browser may be shared, so a user ID takes precedence."""
    return (Identifier.Kind.USER_ID.value, user_id) if user_id else (Identifier.Kind.ANONYMOUS_ID.value, anonymous_id)
