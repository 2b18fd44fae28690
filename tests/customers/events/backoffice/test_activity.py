"""Activity of sources and events per minute, checked against counts by hand."""

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from customers.events.backoffice.activity import SourceActivity, count_events_by_minute, measure_source_activity
from customers.events.minute_counts import OPEN, count_day
from customers.events.models import Event, EventMinute
from customers.events.removal import remove_events
from tests.customers.events.makers import make_event, make_rejected_event
from tests.makers import NOON, make_source

pytestmark = pytest.mark.django_db

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


def test_activity_counts_one_day_and_finds_the_last_event_of_one_month() -> None:
    active, silent, old, new = (make_source(key) for key in ("busy", "silent", "old", "new"))
    for age in (DAY + MINUTE, HOUR, 3 * HOUR):
        make_event(active, at=NOON - age)
    make_event(active, at=NOON + MINUTE)  # after as_of
    make_rejected_event(source=active, at=NOON - HOUR)
    make_rejected_event(source=active, at=NOON - 2 * DAY)
    make_event(silent, at=NOON - 9 * DAY)
    make_event(old, at=NOON - 31 * DAY)
    activity = measure_source_activity(source_ids=[source.pk for source in (active, silent, old, new)], as_of=NOON)
    assert activity == {
        active.pk: SourceActivity(2, 1, NOON - HOUR),
        silent.pk: SourceActivity(0, 0, NOON - 9 * DAY),
        old.pk: SourceActivity(0, 0, None),
        new.pk: SourceActivity(0, 0, None),
    }


@pytest.mark.parametrize("sources", [2, 20])
def test_activity_of_any_number_of_sources_takes_six_queries(
    django_assert_num_queries: DjangoAssertNumQueries, sources: int
) -> None:
    all_sources = [make_source(f"source-{number}") for number in range(sources)]
    for source in all_sources[::2]:
        make_event(source)
    count_day(as_of=NOON)
    with django_assert_num_queries(6):
        measure_source_activity(source_ids=[source.pk for source in all_sources], as_of=NOON)


def test_events_per_minute_are_counted_by_source_up_to_the_current_minute() -> None:
    web, app = make_source("web"), make_source("app")
    now = NOON + timedelta(seconds=20)
    for at in (NOON + timedelta(seconds=10), NOON, NOON - timedelta(seconds=1), NOON - 59 * MINUTE):
        make_event(web, at=at)
    make_event(web, at=NOON - 59 * MINUTE - timedelta(seconds=1))  # a second too old
    make_event(web, at=NOON + timedelta(seconds=30))  # not yet
    make_event(app, at=NOON - 30 * MINUTE)
    make_rejected_event(source=None, at=NOON - 30 * MINUTE)
    minutes = count_events_by_minute(as_of=now)
    assert (len(minutes.starts), minutes.starts[0], minutes.starts[-1]) == (60, NOON - 59 * MINUTE, NOON)
    assert [(row.source.key, row.total, row.peak) for row in minutes.sources] == [("web", 4, 2), ("app", 1, 1)]
    counts = minutes.sources[0].counts
    assert (counts[0], counts[-2], counts[-1], sum(counts)) == (1, 1, 2, 4)
    assert (minutes.sources[1].counts[29], minutes.rejected[29], sum(minutes.rejected)) == (1, 1, 1)


def test_events_per_minute_take_four_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(12):
        make_event(make_source(f"source-{number}"))
    count_day(as_of=NOON)
    with django_assert_num_queries(4):
        assert len(count_events_by_minute(as_of=NOON).sources) == 12


def test_a_minute_that_is_over_is_counted_once_and_again_if_its_events_are_removed() -> None:
    source, at = make_source("web"), NOON - 2 * HOUR - timedelta(seconds=5)
    for age in (2 * HOUR, MINUTE):
        make_event(source, at=NOON - age)
    first = make_event(source, at=at)

    def count_events() -> int:
        return measure_source_activity(source_ids=[source.pk], as_of=NOON)[source.pk].events

    assert count_events() == 3
    last = Event.objects.filter(received_at=NOON - MINUTE)
    last.delete()
    assert count_events() == 2  # the latest minutes are counted every time
    assert EventMinute.objects.count() == (DAY - OPEN) // MINUTE - 1  # the first minute is incomplete
    remove_events(event_ids=[first.pk], received_at=at)
    assert count_events() == 1
    count_day(as_of=NOON + 2 * DAY)
    assert EventMinute.objects.filter(minute__lt=NOON).count() == 0
