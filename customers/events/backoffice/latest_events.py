"""The last events, as the live page asks for them every two seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform

from customers.events.models import Event

MOST_SHOWN = 50
# so many of the newest are looked through: a filter that matches nothing must not read the whole table every two seconds
LOOKED_THROUGH = 100_000
# an id is drawn before its event is committed: what is committed late would otherwise never be seen
LATE_IDS = 10_000
LATE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events to show; an empty field does not restrict. ``who`` is a user id, an anonymous id or a message id."""

    source_id: int | None = None
    type: str = ""
    name: str = ""
    who: str = ""

    def __bool__(self) -> bool:
        return self != Wanted()

    def restrict(self, events: QuerySet[Event, Any]) -> QuerySet[Event, Any]:
        if self.source_id is not None:
            events = events.filter(source=self.source_id)
        if self.type:
            events = events.filter(type=self.type)
        if self.name:
            events = events.filter(name__icontains=self.name)
        if self.who:
            events = events.filter(Q(user_id=self.who) | Q(anonymous_id=self.who) | Q(message_id=self.who))
        return events


def latest_events(*, wanted: Wanted, after: int = 0, as_of: datetime) -> list[Event]:
    """The last 50 events that are wanted, newest first, with the ``path`` of a page; without their properties.

    With ``after``, the id of the last one seen, only what came since; some that were shown already may be among them.
    """
    newest = Event.objects.order_by("-id").values_list("id", flat=True).first()
    if newest is None:
        return []
    events = Event.objects.filter(id__gt=max(newest - LOOKED_THROUGH, after - LATE_IDS))
    if after:
        events = events.filter(Q(id__gt=after) | Q(received_at__gt=as_of - LATE))
    path = KeyTextTransform("path", KeyTransform("page", "context"))
    shown = wanted.restrict(events).select_related("source").defer("properties", "context").annotate(path=path)
    return list(shown.order_by("-id")[:MOST_SHOWN])
