"""Whose an event is, and what the same person did around it."""

from datetime import timedelta

from django.db.models import Q

from customers.events.models import Event
from customers.identity.models import Customer, Identifier

MOST_ON_A_SIDE = 25
# a session is looked for so far from its event; without a session's id, what is this near counts
SESSION_REACH = timedelta(days=1)
NEAR = timedelta(minutes=30)


def owner_of(event: Event) -> Customer | None:
    """The customer that the event's user id names, else the one of its anonymous id. None before it was processed."""
    named = Q(kind=Identifier.Kind.USER_ID, value=event.user_id)
    named |= Q(kind=Identifier.Kind.ANONYMOUS_ID, value=event.anonymous_id)
    found = {one.kind: one for one in Identifier.objects.filter(named)}
    identifier = found.get(Identifier.Kind.USER_ID) or found.get(Identifier.Kind.ANONYMOUS_ID)
    return Customer(pk=identifier.customer_id) if identifier else None


def events_around(event: Event) -> list[Event]:
    """The nearest other events of its session in their order, or of the half hours before and after where it names none.

    Empty for an event without a person.
    """
    person = Q()
    if event.user_id:
        person |= Q(user_id=event.user_id)
    if event.anonymous_id:
        person |= Q(anonymous_id=event.anonymous_id)
    if not person:
        return []
    reach = SESSION_REACH if event.session_id else NEAR
    at = event.occurred_at
    events = Event.objects.filter(person).exclude(pk=event.pk).select_related("source").defer("properties", "context")
    if event.session_id:
        events = events.filter(session_id=event.session_id)
    before = events.filter(occurred_at__gte=at - reach, occurred_at__lte=at).order_by("-occurred_at", "-pk")
    after = events.filter(occurred_at__gt=at, occurred_at__lte=at + reach).order_by("occurred_at", "pk")
    return [*reversed(before[:MOST_ON_A_SIDE]), *after[:MOST_ON_A_SIDE]]
