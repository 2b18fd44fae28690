"""Events over REST."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.access.keys import create_api_key
from config.foundation.database.partitions import create_partition
from customers.events.collector.event_store import record_events
from customers.events.rest.api import find_default_since
from tests.customers.events.client import build_rows
from tests.makers import NOON, make_source
from tests.query_plans import list_scans

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Client:
    _key, plain = create_api_key(name="reader", kind="secret", scopes=["events:read"], now=NOON)
    return Client(headers={"Authorization": f"Bearer {plain}"})


def list_message_ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [event["message_id"] for event in response.json()["results"]]


def record(*message_ids: str, source: str = "shop", days: int = 0) -> None:
    received_at = NOON - timedelta(days=days)
    record_events(rows=build_rows(*message_ids, source_id=make_source(source).pk, at=received_at))


def test_events_come_newest_first_page_by_page(api: Client) -> None:
    record("m1", "m2", "m3")
    first = api.get("/api/v1/events/", {"limit": 2})
    assert list_message_ids(first) == ["m3", "m2"]
    second = api.get("/api/v1/events/", {"limit": 2, "cursor": first.json()["next_cursor"]})
    assert list_message_ids(second) == ["m1"]
    assert second.json()["next_cursor"] is second.json()["next"] is None


def test_filters_narrow_the_list(api: Client) -> None:
    record("m1", source="web", days=3)
    record("m2", source="app")
    assert list_message_ids(
        api.get("/api/v1/events/", {"source": "web", "since": (NOON - timedelta(days=4)).isoformat()})
    ) == ["m1"]
    assert list_message_ids(api.get("/api/v1/events/", {"since": (NOON - timedelta(days=1)).isoformat()})) == ["m2"]
    assert list_message_ids(api.get("/api/v1/events/", {"user_id": "nobody"})) == []


@pytest.mark.parametrize(("name", "value"), [("type", "dance"), ("since", "soon"), ("user_id", "a\0b")])
def test_invalid_filter_is_named_in_the_error(api: Client, name: str, value: str) -> None:
    response = api.get("/api/v1/events/", {name: value})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [name]


def test_list_of_any_length_takes_one_query(api: Client, django_assert_num_queries: Any) -> None:
    record(*(f"m{number}" for number in range(20)))
    list_message_ids(api.get("/api/v1/events/"))
    with django_assert_num_queries(1):
        assert len(list_message_ids(api.get("/api/v1/events/"))) == 20


@pytest.mark.parametrize("filters", [{"source": "web"}, {"type": "track"}, {"name": "Rare"}])
def test_without_since_a_filter_without_an_index_reads_only_the_last_partitions(
    api: Client, filters: dict[str, str]
) -> None:
    make_source("web")
    old = create_partition(date(2020, 1, 1), date(2020, 2, 1))
    assert old not in list_partitions_read(api, filters)
    assert old not in list_partitions_read(api, {**filters, "until": timezone.now().isoformat()})
    assert old in list_partitions_read(api, {**filters, "since": "2020-01-05T00:00:00Z"})
    assert old in list_partitions_read(api, {**filters, "until": "2020-01-09T00:00:00Z"})
    assert old in list_partitions_read(api, {**filters, "user_id": "ada"})
    assert old in list_partitions_read(api, {})


def list_partitions_read(api: Client, filters: dict[str, str]) -> set[str]:
    with CaptureQueriesContext(connection) as queries:
        list_message_ids(api.get("/api/v1/events/", filters))
    return {node["Relation Name"] for node in list_scans(queries)}


def test_without_since_events_of_the_last_seven_days_are_listed(api: Client) -> None:
    record("old", days=(NOON - timezone.now()).days + 9)
    record("new", days=(NOON - timezone.now()).days + 6)
    assert list_message_ids(api.get("/api/v1/events/", {"source": "shop"})) == ["new"]
    assert list_message_ids(api.get("/api/v1/events/")) == ["new", "old"]
    assert list_message_ids(api.get("/api/v1/events/", {"source": "other"})) == []


@pytest.mark.parametrize(
    ("until", "since"),
    [
        (None, datetime(2026, 11, 17, tzinfo=UTC)),
        (NOON + timedelta(days=900), datetime(2026, 11, 17, tzinfo=UTC)),
        (datetime(2026, 3, 9, 23, 59, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
        (datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_the_default_of_since_is_the_start_of_a_day(until: datetime | None, since: datetime) -> None:
    assert find_default_since(until, now=NOON) == since
