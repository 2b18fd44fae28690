"""Event volumes: by source over the last day, by minute over the last hour."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Count, Max
from django.db.models.functions import TruncMinute

from customers.events.models import Event, RejectedEvent, Source

DAY = timedelta(days=1)
LAST_EVENT_WINDOW = timedelta(days=30)
MINUTE = timedelta(minutes=1)

COUNT_LAST_DAY = """
SELECT source.id, coalesce(stored.events, 0), coalesce(rejected.events, 0), stored.last_event_at
FROM events_source source
LEFT JOIN (
    SELECT source_id, count(*) AS events, max(received_at) AS last_event_at
    FROM events_event WHERE received_at > %(since)s AND received_at <= %(as_of)s GROUP BY source_id
) stored ON stored.source_id = source.id
LEFT JOIN (
    SELECT source_id, count(*) AS events
    FROM events_rejectedevent WHERE received_at > %(since)s AND received_at <= %(as_of)s GROUP BY source_id
) rejected ON rejected.source_id = source.id
WHERE source.id = ANY(%(source_ids)s)
"""


@dataclass(frozen=True, slots=True)
class SourceActivity:
    """The events of a source in the last 24 hours; its last event is searched in the last 30 days."""

    events: int
    rejected: int
    last_event_at: datetime | None


def measure_source_activity(*, source_ids: Collection[int], as_of: datetime) -> dict[int, SourceActivity]:
    """Return the activity of sources by two queries: one for the last day, one for sources without events in it."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_LAST_DAY, {"since": as_of - DAY, "as_of": as_of, "source_ids": list(source_ids)})
        rows = cursor.fetchall()
    silent = [source_id for source_id, _events, _rejected, last_event_at in rows if last_event_at is None]
    earlier = dict(
        Event.objects.filter(source__in=silent, received_at__gt=as_of - LAST_EVENT_WINDOW, received_at__lte=as_of - DAY)
        .values_list("source_id")
        .annotate(Max("received_at"))
        .order_by()
    )
    return {
        source_id: SourceActivity(events, rejected, last_event_at or earlier.get(source_id))
        for source_id, events, rejected, last_event_at in rows
    }


@dataclass(frozen=True, slots=True)
class SourceMinuteCounts:
    """The events of one source in each minute of a window."""

    source: Source
    counts: list[int]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def peak(self) -> int:
        return max(self.counts)


@dataclass(frozen=True, slots=True)
class MinuteCounts:
    """Counts by minute; the last minute is incomplete at ``as_of``. The source with the most events comes first."""

    as_of: datetime
    starts: list[datetime]
    sources: list[SourceMinuteCounts]
    rejected: list[int]


def count_events_by_minute(*, as_of: datetime, length: int = 60) -> MinuteCounts:
    """Return the events of the last ``length`` minutes by source, and the rejected ones, in three queries."""
    first = as_of.replace(second=0, microsecond=0) - (length - 1) * MINUTE
    window = {"received_at__gte": first, "received_at__lte": as_of}
    minute = TruncMinute("received_at", tzinfo=UTC)
    counts: dict[int, list[int]] = {}
    stored = Event.objects.filter(**window).values_list("source_id", minute).annotate(Count("pk")).order_by()
    for source_id, start, events in stored:
        counts.setdefault(source_id, [0] * length)[(start - first) // MINUTE] = events
    rejected = [0] * length
    for start, count in RejectedEvent.objects.filter(**window).values_list(minute).annotate(Count("pk")).order_by():
        rejected[(start - first) // MINUTE] = count
    sources = [SourceMinuteCounts(source, counts[source.pk]) for source in Source.objects.filter(pk__in=counts)]
    return MinuteCounts(
        as_of=as_of,
        starts=[first + number * MINUTE for number in range(length)],
        sources=sorted(sources, key=lambda source: -source.total),
        rejected=rejected,
    )
