"""All pages of sources and events: permissions, number of queries, menu and empty pages."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from customers.events.collector.event_store import record_events
from customers.events.models import Event, RejectedEvent
from tests.customers.events.client import build_rejected_item, build_rows
from tests.customers.events.makers import log_in_as, make_event, make_rejected_event
from tests.makers import make_source

pytestmark = pytest.mark.django_db
LIVE, ROWS, MINUTES = (reverse(f"admin:events_{name}") for name in ("live", "live_rows", "minutes"))
SOURCES, EVENTS, REJECTED_EVENTS = (
    reverse(f"admin:events_{name}_changelist") for name in ("source", "event", "rejectedevent")
)


def test_number_of_queries_does_not_depend_on_the_number_of_events(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)  # a minute that ends meanwhile is counted and stored

    def count_queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(address).status_code == 200
        return len(captured)

    make_event()
    for address in (ROWS, MINUTES, SOURCES, EVENTS):
        count_queries(address)  # the first visit also reads content types and records the activity of the session
    counts_for_one = count_queries(ROWS), count_queries(MINUTES), count_queries(SOURCES), count_queries(EVENTS)
    for number in range(8):
        make_event(make_source(f"source-{number}"))
        make_rejected_event(source=make_source(f"source-{number}"))
    assert (
        count_queries(ROWS),
        count_queries(MINUTES),
        count_queries(SOURCES),
        count_queries(EVENTS),
    ) == counts_for_one
    assert counts_for_one[0] <= 5  # session, user, permissions, and two for the events


@pytest.mark.parametrize("address", [LIVE, ROWS, MINUTES])
def test_event_pages_require_permission_to_view_events(address: str) -> None:
    assert Client().get(address).status_code == 302
    for role in ("Analyst", "Marketer", "Privacy officer", "Operator"):
        assert log_in_as(role).get(address).status_code == 200
    assert log_in_as("Merchandiser").get(address).status_code == 403


def test_sources_and_rejected_events_require_permission() -> None:
    source, rejected = make_source(), make_rejected_event()
    pages = [
        SOURCES,
        REJECTED_EVENTS,
        reverse("admin:events_source_change", args=[source.pk]),
        reverse("admin:events_rejectedevent_change", args=[rejected.pk]),
    ]
    for address in pages:
        assert log_in_as("Operator").get(address).status_code == 200
        assert log_in_as("Analyst").get(address).status_code == 403
    assert log_in_as("Privacy officer").get(pages[3]).status_code == 200


def test_menu_contains_only_permitted_pages() -> None:
    analyst, operator = log_in_as("Analyst").get(LIVE).text, log_in_as("Operator").get(LIVE).text
    for address in (LIVE, MINUTES):
        assert f'href="{address}"' in analyst
        assert f'href="{address}"' in operator
    for address in (SOURCES, REJECTED_EVENTS):
        assert f'href="{address}"' not in analyst
        assert f'href="{address}"' in operator


@pytest.mark.parametrize(("language", "text"), [("en", "No events were received"), ("zh-hans", "没有收到事件")])
def test_empty_pages_show_next_steps(language: str, text: str) -> None:
    client = log_in_as("Operator", language=language)
    assert text in client.get(MINUTES).text
    assert SOURCES in client.get(MINUTES).text
    assert {"en": "within two seconds", "zh-hans": "两秒内"}[language] in client.get(LIVE).text
    assert {"en": "No open rejected events", "zh-hans": "没有待处理的被拒事件"}[language] in client.get(
        REJECTED_EVENTS
    ).text


def test_lists_and_pages_open(admin_client: Client) -> None:
    source = make_source()
    record_events(
        rows=build_rows("m1", source_id=source.pk),
        rejected=[build_rejected_item('{"event": "<b>"}', source_id=source.pk)],
    )
    event, rejected = Event.objects.get(), RejectedEvent.objects.get()
    for address in (
        "/admin/events/source/",
        "/admin/events/event/",
        "/admin/events/event/?q=u1",
        f"/admin/events/event/{event.pk}/change/",
        "/admin/events/rejectedevent/",
        f"/admin/events/rejectedevent/{rejected.pk}/change/",
    ):
        assert admin_client.get(address).status_code == 200, address
    page = admin_client.get(f"/admin/events/rejectedevent/{rejected.pk}/change/").content.decode()
    assert "&lt;b&gt;" in page
