"""How much comes in: by source over the last day, by minute over the last hour."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Count, Max
from django.db.models.functions import TruncMinute

from customers.events.models import Event, RejectedEvent, Source

DAY = timedelta(days=1)
LOOKED_BACK = timedelta(days=30)
MINUTE = timedelta(minutes=1)

LAST_DAY = """
SELECT source.id, coalesce(taken.events, 0), coalesce(refused.rejected, 0), taken.last_event_at
FROM events_source source
LEFT JOIN (
    SELECT source_id, count(*) AS events, max(received_at) AS last_event_at
    FROM events_event WHERE received_at > %(since)s AND received_at <= %(as_of)s GROUP BY source_id
) taken ON taken.source_id = source.id
LEFT JOIN (
    SELECT source_id, count(*) AS rejected
    FROM events_rejectedevent WHERE received_at > %(since)s AND received_at <= %(as_of)s GROUP BY source_id
) refused ON refused.source_id = source.id
WHERE source.id = ANY(%(source_ids)s)
"""


@dataclass(frozen=True, slots=True)
class SourceActivity:
    """What a source sent in the last 24 hours; its last event is looked for in the last 30 days."""

    events: int
    rejected: int
    last_event_at: datetime | None


def source_activity(*, source_ids: Collection[int], as_of: datetime) -> dict[int, SourceActivity]:
    """Two statements for all sources: one for the last day, and one for those that were silent in it."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_DAY, {"since": as_of - DAY, "as_of": as_of, "source_ids": list(source_ids)})
        rows = cursor.fetchall()
    silent = [source_id for source_id, _events, _rejected, last_event_at in rows if last_event_at is None]
    earlier = dict(
        Event.objects.filter(source__in=silent, received_at__gt=as_of - LOOKED_BACK, received_at__lte=as_of - DAY)
        .values_list("source_id")
        .annotate(Max("received_at"))
        .order_by()
    )
    return {
        source_id: SourceActivity(events, rejected, last_event_at or earlier.get(source_id))
        for source_id, events, rejected, last_event_at in rows
    }


@dataclass(frozen=True, slots=True)
class SourceMinutes:
    """Events of one source in each minute of a window."""

    source: Source
    counts: list[int]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def most(self) -> int:
        return max(self.counts)


@dataclass(frozen=True, slots=True)
class Minutes:
    """A window of whole minutes, of which the last is not over at ``as_of``; the source with most events first."""

    as_of: datetime
    starts: list[datetime]
    sources: list[SourceMinutes]
    rejected: list[int]


def events_by_minute(*, as_of: datetime, length: int = 60) -> Minutes:
    """Events received in the last ``length`` minutes by source, and what was refused, in three queries."""
    first = as_of.replace(second=0, microsecond=0) - (length - 1) * MINUTE
    window = {"received_at__gte": first, "received_at__lte": as_of}
    minute = TruncMinute("received_at", tzinfo=UTC)
    counts: dict[int, list[int]] = {}
    taken = Event.objects.filter(**window).values_list("source_id", minute).annotate(Count("pk")).order_by()
    for source_id, start, events in taken:
        counts.setdefault(source_id, [0] * length)[(start - first) // MINUTE] = events
    rejected = [0] * length
    for start, refused in RejectedEvent.objects.filter(**window).values_list(minute).annotate(Count("pk")).order_by():
        rejected[(start - first) // MINUTE] = refused
    sources = [SourceMinutes(source, counts[source.pk]) for source in Source.objects.filter(pk__in=counts)]
    return Minutes(
        as_of=as_of,
        starts=[first + number * MINUTE for number in range(length)],
        sources=sorted(sources, key=lambda one: -one.total),
        rejected=rejected,
    )
