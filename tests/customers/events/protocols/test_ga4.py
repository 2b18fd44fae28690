"""Hits of Google's Measurement Protocol are stored as events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from customers.events.models import Event
from customers.events.protocols import ga4
from customers.events.sources.write_keys import clear_source_cache
from tests.customers.events.client import make_keyed_source, send

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clear_source_cache() -> None:
    clear_source_cache()


def send_hit(key: str, **fields: Any) -> Any:
    body = {"client_id": "c1", "events": [{"name": "view_item", "params": {"items": [{"item_id": "p1"}]}}], **fields}
    return send(json.dumps(body).encode(), None, f"/mp/collect?measurement_id=G-1&api_secret={key}")


def test_ga4_hit_is_stored_as_events() -> None:
    _source, key = make_keyed_source()
    response = send_hit(
        key,
        user_id="u1",
        timestamp_micros=1_763_985_600_000_000,
        events=[
            {"name": "purchase", "params": {"transaction_id": "o1", "value": 30.5, "currency": "EUR", "items": [{"item_id": "p1"}]}},
            {"name": "page_view", "params": {"page_title": "Home", "page_location": "https://shop.example/", "session_id": 77}},
            {"name": "view_item", "timestamp_micros": "1763985601000000", "params": {"items": [{"item_id": "p2"}]}},
        ],
        user_properties={"plan": {"value": "gold"}},
    )  # fmt: skip
    assert response.json() == {"success": True, "accepted": 4, "duplicates": 0, "rejected": 0}
    purchase, page, view, identify = Event.objects.order_by("id")
    assert (purchase.name, purchase.product_ids, str(purchase.value), purchase.currency) == (
        "purchase",
        ["p1"],
        "30.50",
        "EUR",
    )
    assert (purchase.user_id, purchase.anonymous_id) == ("u1", "c1")
    assert purchase.occurred_at.isoformat() == "2025-11-24T12:00:00+00:00"
    assert (page.type, page.name, page.properties["url"], page.session_id) == (
        "page",
        "Home",
        "https://shop.example/",
        "77",
    )
    assert view.occurred_at.isoformat() == "2025-11-24T12:00:01+00:00"
    assert (identify.type, identify.properties) == ("identify", {"plan": "gold"})


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"events": {}}, 400, "invalid_hit"),
        ({"events": [1] * 2501}, 413, "too_many_events"),
    ],
)
def test_invalid_ga4_hit_is_rejected(fields: dict[str, Any], status: int, code: str) -> None:
    _source, key = make_keyed_source()
    response = send_hit(key, **fields)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_invalid_event_of_a_ga4_hit_does_not_affect_the_others() -> None:
    _source, key = make_keyed_source()
    response = send_hit(key, events=[{"name": "search"}, 7, {"name": "search", "timestamp_micros": "soon"}]).json()
    assert (response["accepted"], [error["code"] for error in response["errors"]]) == (
        1,
        ["invalid_event", "invalid_timestamp"],
    )


def receive(monkeypatch: pytest.MonkeyPatch, key: str, second: float, **fields: Any) -> tuple[int, int]:
    """Send a hit that arrives so many seconds after a full minute; return how many events were accepted and repeated."""
    at = datetime(2026, 11, 24, 12, tzinfo=UTC) + timedelta(seconds=second)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return at

    monkeypatch.setattr(ga4, "datetime", Clock)
    response = send_hit(key, **fields).json()
    return response["accepted"], response["duplicates"]


@pytest.mark.parametrize(
    ("first", "second", "repeats"),
    [(5, 5, 1), (5, 40, 1), (50, 70, 1), (0, 59.9, 1), (50, 111, 0), (5, 61, 1), (5, 66, 0)],
)
def test_a_hit_that_is_sent_again_within_a_minute_counts_once(
    monkeypatch: pytest.MonkeyPatch, first: float, second: float, repeats: int
) -> None:
    _source, key = make_keyed_source()
    assert receive(monkeypatch, key, first) == (1, 0)
    assert receive(monkeypatch, key, second) == (1 - repeats, repeats)
    assert Event.objects.count() == 2 - repeats


def test_a_hit_with_a_time_counts_once_whenever_it_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _source, key = make_keyed_source()
    first = datetime(2026, 11, 24, 11, tzinfo=UTC).timestamp() * 1_000_000
    assert receive(monkeypatch, key, 0, timestamp_micros=first) == (1, 0)
    assert receive(monkeypatch, key, 3600, timestamp_micros=first) == (0, 1)
    assert receive(monkeypatch, key, 3600, timestamp_micros=first + 1_000_000) == (1, 0)


def test_different_hits_and_equal_events_of_one_hit_are_different_events(monkeypatch: pytest.MonkeyPatch) -> None:
    _source, key = make_keyed_source()
    _other_source, other_key = make_keyed_source("other")
    view = {"name": "view_item", "params": {"items": [{"item_id": "p1"}], "session_id": "1"}}
    hits: list[dict[str, Any]] = [
        {"events": [view, view]},
        {"events": [{**view, "name": "add_to_cart"}]},
        {"events": [{**view, "params": {**view["params"], "session_id": "2"}}]},
        {"events": [view], "client_id": "c2"},
        {"events": [view], "user_id": "u1"},
    ]
    for expected in ((2, 0), (1, 0), (1, 0), (1, 0), (1, 0)):
        assert receive(monkeypatch, key, 1, **hits.pop(0)) == expected
    assert receive(monkeypatch, other_key, 1, events=[view, view]) == (2, 0)
    # a repetition of both is recognized, also with its keys in another order
    reordered = {"params": {"session_id": "1", "items": [{"item_id": "p1"}]}, "name": "view_item"}
    assert receive(monkeypatch, key, 58, events=[reordered, view]) == (0, 2)
