"""Every address that some SDK calls, as that SDK calls it."""

import json
from typing import Any

import pytest
from django.test import Client

from customers.events.models import Event, RejectedEvent
from customers.events.sources.write_keys import clear_source_cache
from tests.customers.events.senders import basic, make_keyed_source, send, track

pytestmark = pytest.mark.django_db

SHORT = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias"}
SINGLES = [
    *((f"/v1/{name}", name) for name in SHORT.values()),
    *((f"/v1/{letter}", name) for letter, name in SHORT.items()),
    *((f"/api/s/{name}", name) for name in SHORT.values()),
]


@pytest.fixture(autouse=True)
def _no_source_is_remembered() -> None:
    clear_source_cache()


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("path", "call_type"), SINGLES)
def test_single_call_has_the_type_of_its_address(path: str, call_type: str, slash: str) -> None:
    _source, key = make_keyed_source()
    item = {"event": "e", "userId": "u", "groupId": "g", "previousId": "a", "messageId": "m"}
    answer = send(item, None, path + slash, **{"X-Write-Key": key})
    assert (answer.status_code, answer.json()["success"], answer.json()["accepted"]) == (200, True, 1)
    assert Event.objects.get().type == call_type


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/batch/", "/v1/b", "/v1/import", "/beacon/v1/batch"])
def test_batch_is_taken_at_each_of_its_addresses(path: str) -> None:
    _source, key = make_keyed_source()
    assert send({"batch": [track(), track()]}, None, f"{path}?writeKey={key}").json()["accepted"] == 2


def test_imported_event_keeps_the_time_that_it_states() -> None:
    _source, key = make_keyed_source()
    send({"batch": [track(timestamp="2019-05-04T03:02:01Z")]}, key, "/v1/import")
    assert Event.objects.get().occurred_at.isoformat() == "2019-05-04T03:02:01+00:00"


def test_items_of_a_batch_go_each_to_the_source_of_its_own_key() -> None:
    shop, shop_key = make_keyed_source("shop")
    app, app_key = make_keyed_source("app")
    _off, off_key = make_keyed_source("off", enabled=False)
    batch = [
        track("a", writeKey=app_key),
        track("b", writeKey=shop_key),
        track("c", writeKey="wk_unknown"),
        track("d"),
        track("e", writeKey=off_key),
        track("f", writeKey=app_key),
    ]
    answer = send({"batch": batch}, None).json()
    assert (answer["accepted"], answer["rejected"]) == (3, 3)
    assert [(error["index"], error["code"]) for error in answer["errors"]] == [
        (2, "unknown_write_key"),
        (3, "missing_write_key"),
        (4, "source_disabled"),
    ]
    stored = Event.objects.order_by("id").values_list("name", "source__key")
    assert list(stored) == [("a", "app"), ("b", "shop"), ("f", "app")]
    assert RejectedEvent.objects.count() == 3
    assert shop.pk != app.pk


def test_batch_in_which_no_item_has_a_right_key_is_refused_whole() -> None:
    make_keyed_source()
    answer = send({"batch": [track(writeKey="wk_unknown"), track()]}, None)
    assert (answer.status_code, answer.json()["code"]) == (401, "unknown_write_key")
    assert not RejectedEvent.objects.exists()


def test_batch_with_more_keys_than_are_looked_up_is_refused_whole() -> None:
    answer = send({"batch": [track(writeKey=f"wk_{number}") for number in range(21)]}, None)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_keys")


def test_key_beside_the_batch_counts_before_those_of_its_items() -> None:
    _shop, shop_key = make_keyed_source("shop")
    _app, app_key = make_keyed_source("app")
    send({"batch": [track(writeKey=app_key)], "writeKey": shop_key}, None)
    assert Event.objects.get().source.key == "shop"


def test_segment_browser_sdk_is_told_to_send_here_and_nowhere_else() -> None:
    _source, key = make_keyed_source()
    answer = Client().get(f"/v1/projects/{key}/settings", headers={"Origin": "https://shop.example"})
    integrations = answer.json()["integrations"]
    assert set(integrations) == {"Segment.io"}
    assert (integrations["Segment.io"]["apiKey"], integrations["Segment.io"]["apiHost"]) == (key, "testserver/v1")
    assert answer.json()["metrics"] == {"sampleRate": 0}
    assert answer["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.parametrize("way", ["basic", "query"])
def test_rudderstack_browser_sdk_gets_its_source(way: str) -> None:
    source, key = make_keyed_source()
    headers, query = (basic(key), "") if way == "basic" else ({}, f"?writeKey={key}")
    answer = Client().get(f"/sourceConfig/{query}", headers=headers)
    found = answer.json()["source"]
    assert (found["id"], found["writeKey"], found["enabled"], found["destinations"]) == (source.key, key, True, [])


@pytest.mark.parametrize("path", ["/v1/projects/wk_unknown/settings", "/sourceConfig/?writeKey=wk_unknown"])
def test_settings_for_an_unknown_key_are_refused(path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unknown_write_key")
    assert Client().post(path, {}).status_code == 405


@pytest.mark.parametrize("path", ["/v1/projects/wk/settings", "/sourceConfig/", "/mp/collect", "/v1/t"])
def test_preflight_is_answered_for_every_address(path: str) -> None:
    make_keyed_source(allowed_origins=["https://shop.example"])
    known = Client().options(path, headers={"Origin": "https://shop.example"})
    assert known.status_code == 204
    assert known["Access-Control-Allow-Origin"] == "https://shop.example"
    methods = "GET, OPTIONS" if "etti" in path or "Config" in path else "POST, OPTIONS"
    assert known["Access-Control-Allow-Methods"] == methods
    assert "Access-Control-Allow-Origin" not in Client().options(path, headers={"Origin": "https://other.example"})


def test_unknown_address_below_api_is_still_no_page() -> None:
    assert Client().post("/api/s/nothing", "{}", content_type="application/json").status_code == 404


def hit(key: str, **given: Any) -> Any:
    body = {"client_id": "c1", "events": [{"name": "view_item", "params": {"items": [{"item_id": "p1"}]}}], **given}
    return send(json.dumps(body).encode(), None, f"/mp/collect?measurement_id=G-1&api_secret={key}")


def test_ga4_hit_becomes_events_of_ours() -> None:
    _source, key = make_keyed_source()
    answer = hit(
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
    assert answer.json() == {"success": True, "accepted": 4, "duplicates": 0, "rejected": 0}
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
    ("given", "status", "code"),
    [
        ({"events": {}}, 400, "invalid_hit"),
        ({"events": [1] * 2501}, 413, "too_many_events"),
    ],
)
def test_wrong_ga4_hit_is_refused(given: dict[str, Any], status: int, code: str) -> None:
    _source, key = make_keyed_source()
    answer = hit(key, **given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_wrong_event_of_a_ga4_hit_costs_only_itself() -> None:
    _source, key = make_keyed_source()
    answer = hit(key, events=[{"name": "search"}, 7, {"name": "search", "timestamp_micros": "soon"}]).json()
    assert (answer["accepted"], [error["code"] for error in answer["errors"]]) == (
        1,
        ["invalid_event", "invalid_timestamp"],
    )
