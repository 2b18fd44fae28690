"""Every collector URL of the SDKs, called as the SDKs call it."""

import pytest
from django.test import Client

from customers.events.models import Event, RejectedEvent
from customers.events.sources.write_keys import clear_source_cache
from tests.customers.events.client import make_keyed_source, send, track

pytestmark = pytest.mark.django_db
SHORT = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias"}
SINGLES = [
    *((f"/v1/{name}", name) for name in SHORT.values()),
    *((f"/v1/{letter}", name) for letter, name in SHORT.items()),
    *((f"/api/s/{name}", name) for name in SHORT.values()),
]


@pytest.fixture(autouse=True)
def _clear_source_cache() -> None:
    clear_source_cache()


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("path", "call_type"), SINGLES)
def test_single_call_has_the_type_of_its_path(path: str, call_type: str, slash: str) -> None:
    _source, key = make_keyed_source()
    item = {"event": "e", "userId": "u", "groupId": "g", "previousId": "a", "messageId": "m"}
    response = send(item, None, path + slash, **{"X-Write-Key": key})
    assert (response.status_code, response.json()["success"], response.json()["accepted"]) == (200, True, 1)
    assert Event.objects.get().type == call_type


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/batch/", "/v1/b", "/v1/import", "/beacon/v1/batch"])
def test_batch_is_accepted_at_every_path(path: str) -> None:
    _source, key = make_keyed_source()
    assert send({"batch": [track(), track()]}, None, f"{path}?writeKey={key}").json()["accepted"] == 2


def test_imported_event_keeps_its_own_time() -> None:
    _source, key = make_keyed_source()
    send({"batch": [track(timestamp="2019-05-04T03:02:01Z")]}, key, "/v1/import")
    assert Event.objects.get().occurred_at.isoformat() == "2019-05-04T03:02:01+00:00"


def test_items_of_a_batch_are_stored_in_the_source_of_their_own_key() -> None:
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
    response = send({"batch": batch}, None).json()
    assert (response["accepted"], response["rejected"]) == (3, 3)
    assert [(error["index"], error["code"]) for error in response["errors"]] == [
        (2, "unknown_write_key"),
        (3, "missing_write_key"),
        (4, "source_disabled"),
    ]
    stored = Event.objects.order_by("id").values_list("name", "source__key")
    assert list(stored) == [("a", "app"), ("b", "shop"), ("f", "app")]
    assert RejectedEvent.objects.count() == 3
    assert shop.pk != app.pk


def test_batch_without_any_valid_key_is_rejected_as_a_whole() -> None:
    make_keyed_source()
    response = send({"batch": [track(writeKey="wk_unknown"), track()]}, None)
    assert (response.status_code, response.json()["code"]) == (401, "unknown_write_key")
    assert not RejectedEvent.objects.exists()


def test_batch_with_too_many_keys_is_rejected_as_a_whole() -> None:
    response = send({"batch": [track(writeKey=f"wk_{number}") for number in range(21)]}, None)
    assert (response.status_code, response.json()["code"]) == (400, "too_many_keys")


def test_key_of_the_batch_takes_precedence_over_keys_of_items() -> None:
    _shop, shop_key = make_keyed_source("shop")
    _app, app_key = make_keyed_source("app")
    send({"batch": [track(writeKey=app_key)], "writeKey": shop_key}, None)
    assert Event.objects.get().source.key == "shop"


@pytest.mark.parametrize("path", ["/v1/projects/wk/settings", "/sourceConfig/", "/mp/collect", "/v1/t"])
def test_preflight_works_for_every_path(path: str) -> None:
    make_keyed_source(allowed_origins=["https://shop.example"])
    response = Client().options(path, headers={"Origin": "https://shop.example"})
    assert response.status_code == 204
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    methods = "GET, OPTIONS" if "etti" in path or "Config" in path else "POST, OPTIONS"
    assert response["Access-Control-Allow-Methods"] == methods
    assert "Access-Control-Allow-Origin" not in Client().options(path, headers={"Origin": "https://other.example"})


def test_unknown_path_below_api_returns_404() -> None:
    assert Client().post("/api/s/nothing", "{}", content_type="application/json").status_code == 404
