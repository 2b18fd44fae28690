"""Event volumes: by source over the last day, by minute over the last hour."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Max
from django.db.models.functions import TruncMinute

from customers.events.minute_counts import DAY, MINUTE, read_minute_counts
from customers.events.models import Event, RejectedEvent, SandboxEvent, Source

LAST_EVENT_WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SourceActivity:
    """The events of a source in the last 24 hours; its last event is searched in the last 30 days."""

    events: int
    rejected: int
    last_event_at: datetime | None


def measure_source_activity(*, source_ids: Collection[int], as_of: datetime) -> dict[int, SourceActivity]:
    """Return the activity of sources; the number of queries does not depend on the number of sources."""
    events: Counter[int] = Counter()
    last: dict[int, datetime] = {}
    since = as_of - DAY + timedelta.resolution
    for minute in read_minute_counts(since=since, as_of=as_of).values():
        for source_id, counted in minute.items():
            events[source_id] += counted.events
            last[source_id] = max(last.get(source_id, counted.last_at), counted.last_at)
    rejected = dict(
        RejectedEvent.objects.filter(source__in=source_ids, received_at__gte=since, received_at__lte=as_of)
        .values_list("source_id")
        .annotate(Count("pk"))
        .order_by()
    )
    sandboxed = SandboxEvent.objects.filter(
        source__in=source_ids, received_at__gte=since, received_at__lte=as_of
    ).order_by()
    for source_id, count, last_at in sandboxed.values_list("source_id").annotate(Count("pk"), Max("received_at")):
        events[source_id], last[source_id] = count, last_at
    silent = [source_id for source_id in source_ids if source_id not in last]
    earlier = dict(
        Event.objects.filter(source__in=silent, received_at__gt=as_of - LAST_EVENT_WINDOW, received_at__lt=since)
        .values_list("source_id")
        .annotate(Max("received_at"))
        .order_by()
    )
    return {
        source_id: SourceActivity(
            events[source_id], rejected.get(source_id, 0), last.get(source_id) or earlier.get(source_id)
        )
        for source_id in source_ids
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
    """Return the events of the last ``length`` minutes by source, and the rejected ones."""
    first = as_of.replace(second=0, microsecond=0) - (length - 1) * MINUTE
    window = {"received_at__gte": first, "received_at__lte": as_of}
    minute = TruncMinute("received_at", tzinfo=UTC)
    counts: dict[int, list[int]] = {}
    for start, stored in read_minute_counts(since=first, as_of=as_of).items():
        for source_id, counted in stored.items():
            counts.setdefault(source_id, [0] * length)[(start - first) // MINUTE] = counted.events
    rejected = [0] * length
    for start, count in (
        RejectedEvent.objects.filter(**window)
        .exclude(source__is_sandbox=True)
        .values_list(minute)
        .annotate(Count("pk"))
        .order_by()
    ):
        rejected[(start - first) // MINUTE] = count
    sources = [SourceMinuteCounts(source, counts[source.pk]) for source in Source.objects.filter(pk__in=counts)]
    return MinuteCounts(
        as_of=as_of,
        starts=[first + number * MINUTE for number in range(length)],
        sources=sorted(sources, key=lambda source: -source.total),
        rejected=rejected,
    )
