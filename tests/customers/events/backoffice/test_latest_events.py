"""The query of the live event page: filters, cursor and late commits."""

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from customers.events.backoffice import latest_events as latest_events_module
from customers.events.backoffice.latest_events import EventQuery, find_latest_events
from customers.events.models import Event
from tests.customers.events.makers import make_event
from tests.makers import NOON, make_source

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def list_names(query: EventQuery | None = None, *, after: int = 0) -> list[str]:
    return [event.name for event in find_latest_events(query=query or EventQuery(), after=after, as_of=NOON)]


def test_latest_fifty_events_are_returned_newest_first() -> None:
    assert list_names() == []
    Event.objects.bulk_create(
        Event(source=make_source(), message_id=f"m{n}", name=str(n), type="track", occurred_at=NOON, received_at=NOON)
        for n in range(60)
    )
    assert list_names() == [str(number) for number in range(59, 9, -1)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"type": "page"}, ["Home"]),
        ({"name": "product"}, ["Product Added", "Product Viewed"]),
        ({"who": "anna"}, ["Product Added"]),
        ({"who": "a-7"}, ["Home"]),
        ({"who": "m-1"}, ["Product Viewed"]),
        ({"name": "product", "who": "anna"}, ["Product Added"]),
        ({"who": "nobody"}, []),
    ],
)
def test_filters_are_combined_with_and(query: dict[str, str], expected: list[str]) -> None:
    make_event(name="Product Viewed", message_id="m-1")
    make_event(name="Product Added", user_id="anna")
    make_event(name="Home", type="page", user_id="", anonymous_id="a-7")
    assert list_names(EventQuery(**query)) == expected


def test_events_are_filtered_by_source() -> None:
    web = make_source("web")
    make_event(web, name="here")
    make_event(make_source("app"), name="there")
    assert list_names(EventQuery(source_id=web.pk)) == ["here"]


def test_only_events_after_the_cursor_are_returned() -> None:
    known = make_event(at=NOON - MINUTE, name="seen")
    make_event(name="new")
    assert list_names(after=known.pk) == ["new"]
    assert list_names(after=Event.objects.latest("id").pk) == ["new"]  # an event with a lower id may still be committed


def test_event_that_is_committed_late_is_still_returned() -> None:
    """The late event has a lower id than an event that has already been returned."""
    late = make_event(name="late").pk
    known = make_event(at=NOON - MINUTE, name="seen")
    assert late < known.pk
    assert list_names(after=known.pk) == ["late"]


def test_filter_without_matches_stops_at_the_scan_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latest_events_module, "SCAN_LIMIT", 2)
    for number in range(3):
        make_event(name=f"number {number}")
    assert list_names(EventQuery(name="number")) == ["number 2", "number 1"]


def test_page_without_a_name_is_labeled_with_its_path() -> None:
    make_event(type="page", name="", context={"page": {"path": "/kettles"}})
    make_event(type="page", name="", context={"page": "odd"})
    assert [event.path for event in find_latest_events(query=EventQuery(), as_of=NOON)] == [None, "/kettles"]


def test_latest_events_take_two_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(5):
        make_event(make_source(f"source-{number}"))
    with django_assert_num_queries(2):
        assert [event.source.name for event in find_latest_events(query=EventQuery(), as_of=NOON)]
