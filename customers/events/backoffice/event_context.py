"""Finds the customer of an event and the events of the same person before and after it."""

from datetime import timedelta

from django.db.models import Q

from customers.events.models import Event
from customers.identity.models import Customer, Identifier

MAX_PER_SIDE = 25
# the range around an event in which its session is searched; without a session id, the range of related events
SESSION_WINDOW = timedelta(days=1)
NEARBY_WINDOW = timedelta(minutes=30)


def find_owner(event: Event) -> Customer | None:
    """Return the customer of the event's user id, or else of its anonymous id; None before the event is processed."""
    condition = Q(kind=Identifier.Kind.USER_ID, value=event.user_id)
    condition |= Q(kind=Identifier.Kind.ANONYMOUS_ID, value=event.anonymous_id)
    by_type = {identifier.kind: identifier for identifier in Identifier.objects.filter(condition)}
    identifier = by_type.get(Identifier.Kind.USER_ID) or by_type.get(Identifier.Kind.ANONYMOUS_ID)
    return Customer(pk=identifier.customer_id) if identifier else None


def find_surrounding_events(event: Event) -> list[Event]:
    """Return the nearest other events in the same session, or within 30 minutes if the event has no session id.

    The events are in order of time. An event without a person has none.
    """
    person = Q()
    if event.user_id:
        person |= Q(user_id=event.user_id)
    if event.anonymous_id:
        person |= Q(anonymous_id=event.anonymous_id)
    if not person:
        return []
    window = SESSION_WINDOW if event.session_id else NEARBY_WINDOW
    at = event.occurred_at
    events = Event.objects.filter(person).exclude(pk=event.pk).select_related("source").defer("properties", "context")
    if event.session_id:
        events = events.filter(session_id=event.session_id)
    before = events.filter(occurred_at__gte=at - window, occurred_at__lte=at).order_by("-occurred_at", "-pk")
    after = events.filter(occurred_at__gt=at, occurred_at__lte=at + window).order_by("occurred_at", "pk")
    return [*reversed(before[:MAX_PER_SIDE]), *after[:MAX_PER_SIDE]]
