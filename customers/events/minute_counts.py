"""Events received per minute and source: minutes that are over are counted once and kept for a day, the latest ones on every request."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection

from customers.events.models import EventMinute

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
OPEN = timedelta(minutes=10)  # for this long, a minute may still get events from statements that are not committed yet
KEPT = DAY + timedelta(hours=1)

COUNT_EVENTS = """
SELECT date_trunc('minute', received_at, 'UTC'), source_id, count(*), max(received_at)
FROM events_event WHERE received_at >= %s AND received_at < %s GROUP BY 1, 2
"""


class SourceMinute(NamedTuple):
    """The events of one source in one minute, and when the last one was received."""

    events: int
    last_at: datetime


type MinuteCounts = Mapping[datetime, Mapping[int, SourceMinute]]  # by minute and source ID


def read_minute_counts(*, since: datetime, as_of: datetime) -> MinuteCounts:
    """Return the events received from ``since`` to ``as_of``, at most a day; the first and the last minute can be parts of one.

    Minutes that are over and not counted yet are counted and stored.
    """
    first = truncate(since + MINUTE - timedelta.resolution)
    open_from = max(first, truncate(as_of - OPEN))
    closed = {
        minute: {
            int(source): SourceMinute(events, datetime.fromtimestamp(last, UTC))
            for source, (events, last) in stored.items()
        }
        for minute, stored in EventMinute.objects.filter(minute__gte=first, minute__lt=open_from).values_list()
    }
    wanted = (first + number * MINUTE for number in range((open_from - first) // MINUTE))
    if missing := [minute for minute in wanted if minute not in closed]:
        counted = count_events(missing[0], missing[-1] + MINUTE)
        EventMinute.objects.bulk_create(
            (
                EventMinute(
                    minute=minute,
                    events={
                        str(source): [each.events, each.last_at.timestamp()]
                        for source, each in counted.get(minute, {}).items()
                    },
                )
                for minute in missing
            ),
            ignore_conflicts=True,
        )
        closed |= {minute: counted[minute] for minute in missing if minute in counted}
    opening = count_events(since, first) if since < first else {}
    return {**opening, **closed, **count_events(open_from, as_of + timedelta.resolution)}


def count_events(since: datetime, until: datetime) -> dict[datetime, dict[int, SourceMinute]]:
    counts: dict[datetime, dict[int, SourceMinute]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(COUNT_EVENTS, [since, until])
        for minute, source, events, last_at in cursor.fetchall():
            counts[minute][source] = SourceMinute(events, last_at)
    return dict(counts)


def truncate(moment: datetime) -> datetime:
    """Return the start of the minute."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def forget_minute(received_at: datetime) -> None:
    """Have a minute counted again, because events of it were added later or deleted."""
    EventMinute.objects.filter(minute=truncate(received_at)).delete()


def count_day(*, as_of: datetime) -> None:
    """Count the minutes of the last day that are not counted yet, and delete older ones."""
    read_minute_counts(since=as_of - DAY, as_of=as_of)
    EventMinute.objects.filter(minute__lt=as_of - KEPT).delete()
