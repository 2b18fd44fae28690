"""The latest events, which the live page requests every two seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform

from customers.events.models import Event, SandboxEvent

MAX_EVENTS = 50
# only the newest events are searched: a filter that matches nothing must not read the whole table every two seconds
SCAN_LIMIT = 100_000
# an id is assigned before its event is committed: without this margin an event that is committed late would never be shown
LATE_COMMIT_IDS = 10_000
LATE_COMMIT_WINDOW = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A filter for events; empty fields do not restrict. ``who`` is a user id, an anonymous id or a message id."""

    source_id: int | None = None
    type: str = ""
    name: str = ""
    who: str = ""
    is_sandbox: bool = False

    def __bool__(self) -> bool:
        return self != EventQuery()

    def filter(self, events: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
        if self.source_id is not None:
            events = events.filter(source=self.source_id)
        if self.type:
            events = events.filter(type=self.type)
        if self.name:
            events = events.filter(name__icontains=self.name)
        if self.who:
            events = events.filter(Q(user_id=self.who) | Q(anonymous_id=self.who) | Q(message_id=self.who))
        return events


def find_latest_events(*, query: EventQuery, after: int = 0, as_of: datetime) -> list[Any]:
    """Return the latest 50 matching events, newest first, with the ``path`` of a page; only those of a sandbox have properties.

    Args:
        after: the id of the last event on the page; newer events are returned, and possibly a few that the page already has.
    """
    table: type[Event | SandboxEvent] = SandboxEvent if query.is_sandbox else Event
    newest = table._default_manager.order_by("-id").values_list("id", flat=True).first()
    if newest is None:
        return []
    events: QuerySet[Any, Any] = table._default_manager.filter(id__gt=max(newest - SCAN_LIMIT, after - LATE_COMMIT_IDS))
    if after:
        events = events.filter(Q(id__gt=after) | Q(received_at__gt=as_of - LATE_COMMIT_WINDOW))
    path = KeyTextTransform("path", KeyTransform("page", "context"))
    deferred = ["context"] if query.is_sandbox else ["properties", "context"]
    matching = query.filter(events).select_related("source").defer(*deferred).annotate(path=path)
    return list(matching.order_by("-id")[:MAX_EVENTS])
