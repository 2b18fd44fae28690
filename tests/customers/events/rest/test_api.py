"""Events over REST."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from config.access.keys import create_api_key
from customers.events.collector.event_store import record_events
from tests.customers.events.client import build_rows
from tests.makers import NOON, make_source

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
    assert list_message_ids(api.get("/api/v1/events/", {"source": "web"})) == ["m1"]
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
