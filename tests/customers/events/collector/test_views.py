"""The collector views: batches, single calls, write keys, invalid bodies and outages."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError
from django.test import Client

from config.foundation.valkey import get_client
from customers.events.collector import ingest
from customers.events.collector.envelope import MAX_BATCH_BYTES, MAX_BATCH_EVENTS
from customers.events.models import Event, EventReceipt, Outbox, RejectedEvent, SandboxEvent, Source
from customers.events.recent.interactions import read_recent_interactions
from customers.events.sources.write_keys import clear_source_cache, rotate_write_key
from customers.identity.erased.blocked_identifiers import blocked_index
from tests.customers.events.client import build_basic_auth, make_keyed_source, send, track

pytestmark = pytest.mark.django_db


def test_batch_is_stored_with_receipts_and_outbox_before_the_response() -> None:
    source, key = make_keyed_source()
    batch = [track(messageId="m1"), track("Product Viewed", messageId="m2", properties={"product_id": "p1"})]
    response = send({"batch": batch}, key)
    assert response.status_code == 200
    assert response.json() == {"success": True, "accepted": 2, "duplicates": 0, "rejected": 0}
    events = list(Event.objects.order_by("id"))
    assert [(event.message_id, event.name, event.product_ids) for event in events] == [
        ("m1", "Shop Opened", []),
        ("m2", "Product Viewed", ["p1"]),
    ]
    assert {event.source_id for event in events} == {source.pk}
    assert set(Outbox.objects.values_list("event_id", flat=True)) == {event.pk for event in events}
    assert EventReceipt.objects.count() == 2


def test_retry_changes_nothing() -> None:
    _source, key = make_keyed_source()
    body = {"batch": [track(messageId="m1"), track(messageId="m2"), track(messageId="m1")]}
    assert send(body, key).json() == {"success": True, "accepted": 2, "duplicates": 1, "rejected": 0}
    assert send(body, key).json() == {"success": True, "accepted": 0, "duplicates": 3, "rejected": 0}
    assert Event.objects.count() == Outbox.objects.count() == 2


def test_same_message_id_from_two_sources_is_two_events() -> None:
    for name in ("web", "app"):
        send({"batch": [track(messageId="m1")]}, make_keyed_source(name)[1])
    assert Event.objects.count() == 2


def test_invalid_item_does_not_affect_valid_ones_and_is_stored_once() -> None:
    source, key = make_keyed_source()
    body = {"batch": [track(messageId="m1"), {"type": "track", "event": "x"}, "seven", track(messageId="m2")]}
    for _try in range(2):
        response = send(body, key)
        assert response.status_code == 200
        assert response.json()["rejected"] == 2
        assert [error["index"] for error in response.json()["errors"]] == [1, 2]
    assert Event.objects.count() == 2
    rejected = RejectedEvent.objects.order_by("id")
    assert [(row.code, json.loads(row.payload), row.source) for row in rejected] == [
        ("missing_identity", {"type": "track", "event": "x"}, source),
        ("invalid_event", "seven", source),
    ]


def test_nan_rejects_only_its_own_item_and_lone_surrogates_none() -> None:
    _source, key = make_keyed_source()
    raw = (
        b'{"batch":[{"type":"track","event":"a","userId":"u"},'
        b'{"type":"track","event":"b","userId":"u","properties":{"t":"\\ud83d cut"}},'
        b'{"type":"track","event":"c","userId":"u","properties":{"price":NaN}}]}'
    )
    response = send(raw, key).json()
    assert (response["accepted"], response["rejected"]) == (2, 1)
    assert [(event.name, event.properties) for event in Event.objects.order_by("id")] == [
        ("a", {}),
        ("b", {"t": "\ufffd cut"}),
    ]


UNSTORABLE = [
    (rb"\u0000", "\ufffd"),
    (b"\0", "\ufffd"),
    (rb"\ud83d", "\ufffd"),
    (rb"\ude00\ud83d", "\ufffd\ufffd"),
    (b"\xff", "\ufffd"),
    ("茶".encode("gbk"), "\ufffd\ufffd"),
    (rb"\ud83d\ude00 \\ud83d \\u0000", None),
]


@pytest.mark.parametrize(("text", "stored"), UNSTORABLE)
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track", "/mp/collect"])
def test_characters_that_cannot_be_stored_are_replaced_everywhere_with_a_warning(
    path: str, text: bytes, stored: str | None
) -> None:
    _source, key = make_keyed_source()
    properties = b'{"k%s":["%s",{"%s":"%s"}]}' % (text, text, text, text)
    item = b'{"type":"track","event":"e%s","userId":"u%s","properties":%s}' % (text, text, properties)
    hit = b'{"user_id":"u%s","events":[{"name":"e%s","params":%s}]}' % (text, text, properties)
    body = {"/v1/batch": b'{"batch":[%s]}' % item, "/v1/track": item, "/mp/collect": hit}[path]
    response = send(body, key, path).json()
    assert (response["accepted"], response["rejected"]) == (1, 0)
    assert [warning["code"] for warning in response.get("warnings", [])] == (["replaced_characters"] if stored else [])
    kept = stored or json.loads(b'"%s"' % text)
    event = Event.objects.get()
    assert (event.name, event.user_id) == (f"e{kept}", f"u{kept}")
    assert event.properties == {f"k{kept}": [kept, {kept: kept}]}


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/", "/mp/other", "/beacon/v1/x", "/api/s/other", "/v1/batch/x"])
@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_unknown_path_of_the_collector_returns_404_as_json_that_a_page_can_read(path: str, method: str) -> None:
    response = getattr(Client(), method)(path, headers={"Origin": "https://shop.example"})
    assert (response.status_code, response.json()["code"]) == (404, "unknown_path")
    assert path in response.json()["message"]
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_wrong_method_returns_405_as_json_that_a_page_can_read(method: str) -> None:
    response = getattr(Client(), method)("/v1/batch", headers={"Origin": "https://shop.example"})
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response["Allow"] == "POST, OPTIONS"
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"


def test_value_that_only_postgresql_rejects_rejects_only_its_own_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customers.events.collector.items.replace_unstorable", lambda data: data)
    _source, key = make_keyed_source()
    batch = [track(messageId=f"m{number}") for number in range(7)]
    batch[3]["properties"] = {"t": "\0"}
    response = send({"batch": batch}, key).json()
    assert (response["accepted"], response["rejected"], response["errors"][0]["index"]) == (6, 1, 3)
    assert sorted(Event.objects.values_list("message_id", flat=True)) == ["m0", "m1", "m2", "m4", "m5", "m6"]
    assert RejectedEvent.objects.get().code == "cannot_store"


@pytest.mark.parametrize("call_type", ["track", "identify", "page", "screen", "group", "alias"])
def test_single_calls_are_stored_with_the_type_of_their_path(call_type: str) -> None:
    _source, key = make_keyed_source()
    item = {"event": "e", "userId": "u", "groupId": "g", "previousId": "a", "messageId": "m"}
    response = send(item, key, f"/v1/{call_type}")
    assert (response.status_code, response.json()["accepted"]) == (200, 1)
    assert Event.objects.get().type == call_type


def test_invalid_single_call_gets_the_response_of_a_batch() -> None:
    _source, key = make_keyed_source()
    response = send({"event": "e"}, key, "/v1/track")
    assert (response.status_code, response.json()["rejected"]) == (200, 1)
    assert RejectedEvent.objects.get().code == "missing_identity"


@pytest.mark.parametrize("position", ["basic", "bearer", "header", "query", "body", "item"])
def test_write_key_is_accepted_in_every_position(position: str) -> None:
    _source, key = make_keyed_source()
    body: dict[str, Any] = {"batch": [track()]}
    headers, path = {}, "/v1/batch"
    match position:
        case "basic":
            headers = build_basic_auth(key)
        case "bearer":
            headers = {"Authorization": f"Bearer {key}"}
        case "header":
            headers = {"X-Write-Key": key}
        case "query":
            path = f"/v1/batch?writeKey={key}"
        case "body":
            body["writeKey"] = key
        case "item":
            body["batch"][0]["writeKey"] = key
    assert send(body, None, path, **headers).status_code == 200


@pytest.mark.parametrize("key", [None, "wk_wrong", "\udcff"])
def test_unknown_key_returns_401_as_json(key: str | None) -> None:
    headers = {} if key is None else {"X-Write-Key": key}
    response = send({"batch": [track()]}, None, **headers)
    assert response.status_code == 401
    assert set(response.json()) == {"success", "code", "message"}
    assert not Event.objects.exists()


def test_disabled_source_returns_404() -> None:
    _source, key = make_keyed_source(enabled=False)
    assert send({"batch": [track()]}, key).status_code == 404


def test_old_key_works_until_its_overlap_ends() -> None:
    source, old = make_keyed_source()
    now = datetime.now(UTC)
    new = rotate_write_key(source_id=source.pk, now=now, overlap=timedelta(hours=1))
    assert [send({"batch": [track()]}, key).status_code for key in (old, new)] == [200, 200]
    newest = rotate_write_key(source_id=source.pk, now=now)
    assert [send({"batch": [track()]}, key).status_code for key in (old, new, newest)] == [401, 401, 200]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[]", 400, "invalid_batch"),
        (b"{}", 400, "invalid_batch"),
        (b'{"batch": 7}', 400, "invalid_batch"),
        (b'{"batch": {"a": NaN}}', 400, "invalid_batch"),
        (b'{"batch": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}", 400, "nested_too_deeply"),
        (b"\x1f\x8b broken", 400, "invalid_gzip"),
        (gzip.compress(b'{"batch": []}' * 100)[:-20], 400, "invalid_gzip"),
        (b" " * (MAX_BATCH_BYTES + 1), 413, "too_large"),
        (gzip.compress(b" " * 50_000_000), 413, "too_large"),
        (b'{"batch": [' + b",".join([b"1"] * (MAX_BATCH_EVENTS + 1)) + b"]}", 413, "too_many_events"),
    ],
    ids=[
        "empty",
        "half",
        "utf-16",
        "list",
        "no batch",
        "number",
        "nan",
        "deep",
        "no gzip",
        "cut gzip",
        "long",
        "bomb",
        "many",
    ],
)
def test_invalid_body_is_rejected_as_a_whole(body: bytes, status: int, code: str) -> None:
    _source, key = make_keyed_source()
    response = send(body, key)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not RejectedEvent.objects.exists()


def test_a_body_that_is_labeled_as_gzip_must_be_gzip_or_json() -> None:
    _source, key = make_keyed_source()
    labeled = {"Content-Encoding": "gzip"}
    response = send(b"no gzip", key, **labeled)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_gzip")
    assert "not valid gzip" in response.json()["message"]
    assert send(gzip.compress(b"no JSON"), key, **labeled).json()["code"] == "invalid_json"
    assert send({"batch": [track()]}, key, **labeled).json()["accepted"] == 1


def test_empty_batch_is_accepted() -> None:
    _source, key = make_keyed_source()
    assert send({"batch": []}, key).json() == {"success": True, "accepted": 0, "duplicates": 0, "rejected": 0}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json", ""])
def test_compressed_body_is_read_with_any_content_type(content_type: str) -> None:
    _source, key = make_keyed_source()
    packed = gzip.compress(json.dumps({"batch": [track()]}).encode())
    assert send(packed, key, content_type=content_type or "a/b").json()["accepted"] == 1


def test_batch_of_the_maximum_size_is_accepted() -> None:
    _source, key = make_keyed_source()
    batch = [{"type": "track", "event": "e", "userId": f"u{number}"} for number in range(MAX_BATCH_EVENTS)]
    assert send({"batch": batch}, key).json()["accepted"] == MAX_BATCH_EVENTS


def test_preflight_allows_the_headers_of_the_sdks() -> None:
    make_keyed_source(allowed_origins=["https://shop.example"])
    response = Client().options("/v1/track", headers={"Origin": "https://shop.example"})
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "x-retry-count" in response["Access-Control-Allow-Headers"]
    other_response = Client().options("/v1/track", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in other_response


def test_foreign_origin_gets_a_readable_error() -> None:
    _source, key = make_keyed_source(allowed_origins=["https://shop.example"])
    response = send({"batch": [track()]}, key, Origin="https://other.example")
    assert (response.status_code, response.json()["code"]) == (403, "origin_not_allowed")
    assert response["Access-Control-Allow-Origin"] == "https://other.example"
    assert send({"batch": [track()]}, key, Origin="https://shop.example").status_code == 200


def test_unreachable_database_returns_503_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    _source, key = make_keyed_source()

    def fail(**_arguments: Any) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(ingest, "record_events", fail)
    response = send({"batch": [track()]}, key)
    assert (response.status_code, response["Retry-After"]) == (503, "5")


def test_event_is_stored_while_valkey_is_down(settings: Any) -> None:
    settings.VALKEY_URL = "redis://127.0.0.1:1/0"
    get_client.cache_clear()
    _source, key = make_keyed_source()
    response = send(track("Product Viewed", properties={"product_id": "p1"}), key, "/v1/track")
    assert response.status_code == 200
    assert Event.objects.count() == 1
    assert read_recent_interactions(identifiers=[("user_id", "u1")]) == []


def test_product_events_are_recent_interactions_immediately(valkey: Any) -> None:
    _source, key = make_keyed_source()
    send(track("Product Viewed", properties={"product_id": "p1"}, anonymousId="a1"), key, "/v1/track")
    for identifier in (("user_id", "u1"), ("anonymous_id", "a1")):
        [(product_id, kind, *_times)] = read_recent_interactions(identifiers=[identifier])
        assert (product_id, kind) == ("p1", "view")


def test_call_with_a_cached_key_makes_one_query(monkeypatch: pytest.MonkeyPatch) -> None:
    _source, key = make_keyed_source()
    send({"batch": [track()]}, key)
    statements: list[str] = []
    execute = psycopg.Cursor.execute

    def record(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        statements.append(str(query))
        return execute(self, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", record)
    monkeypatch.setattr(blocked_index, "_due_at", float("inf"))  # erased people are read again once a second
    send({"batch": [track() for _number in range(50)]}, key)
    # the savepoints belong to the test's own transaction
    assert len([statement for statement in statements if "SAVEPOINT" not in statement]) == 1


@pytest.fixture(autouse=True)
def _clear_source_cache() -> None:
    clear_source_cache()


def test_a_sandbox_warns_of_orders_that_processing_would_reject() -> None:
    sandbox, key = make_keyed_source("sandbox")
    Source.objects.filter(pk=sandbox.pk).update(is_sandbox=True)
    _live, live_key = make_keyed_source("live")
    clear_source_cache()
    orders = [
        {},
        {"order_id": "1", "total": "abc"},
        {"order_id": "2", "total": 5, "currency": "Dollar"},
        {"order_id": "3", "products": [{"price": 5}]},
        {"order_id": "4", "total": 5, "currency": "EUR", "products": [{"product_id": "p1", "price": 5}]},
    ]
    body = {"batch": [track("Order Completed", properties=order) for order in orders]}
    answer = send(body, key).json()
    assert (answer["accepted"], answer["rejected"]) == (5, 0)
    assert [(warning["index"], warning["code"]) for warning in answer["warnings"]] == [
        (0, "missing_order_id"),
        (1, "bad_number"),
        (2, "unknown_currency"),
        (3, "missing_product"),
    ]
    assert answer["warnings"][2]["message"] == "currency is 'Dollar'; use an ISO 4217 code such as EUR."
    assert "warnings" not in send(body, live_key).json()


def test_events_of_a_sandbox_are_validated_and_only_kept_to_be_looked_at() -> None:
    sandbox, key = make_keyed_source("sandbox")
    Source.objects.filter(pk=sandbox.pk).update(is_sandbox=True)
    _live, live_key = make_keyed_source("live")
    clear_source_cache()
    viewed = track("Product Viewed", messageId="m1", userId="sandbox-u1", properties={"product_id": "p1"})
    body = {"batch": [viewed, track(messageId="m2"), {"type": "track", "event": "x"}]}
    first, second = send(body, key).json(), send(body, key).json()
    assert (first["accepted"], first["rejected"], second["duplicates"]) == (2, 1, 2)
    assert first["errors"][0]["code"] == second["errors"][0]["code"]
    assert list(SandboxEvent.objects.order_by("message_id").values_list("message_id", "product_ids")) == [
        ("m1", ["p1"]),
        ("m2", []),
    ]
    assert not Event.objects.exists()
    assert not Outbox.objects.exists()
    assert read_recent_interactions(identifiers=[("user_id", "sandbox-u1")]) == []
    assert RejectedEvent.objects.get().source_id == sandbox.pk
    mixed = [{**track(messageId="m3"), "writeKey": key}, {**track(messageId="m3"), "writeKey": live_key}]
    assert send({"batch": mixed}, "").json()["accepted"] == 2
    assert (SandboxEvent.objects.count(), Event.objects.count()) == (3, 1)
