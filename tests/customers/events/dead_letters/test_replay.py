"""A rejected event can be corrected and replayed like a new one."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection

from customers.events.dead_letters.replay import NotOpenError, ReplayResult, replay_rejected
from customers.events.models import Event, Outbox, RejectedEvent
from customers.events.sources.write_keys import clear_source_cache
from tests.customers.events.client import make_keyed_source, send, track
from tests.customers.events.makers import make_rejected_event
from tests.makers import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clear_source_cache() -> None:
    clear_source_cache()


def make_rejected(item: Any, *, path: str = "/v1/track", **headers: str) -> RejectedEvent:
    _source, key = make_keyed_source()
    send(item, key, path, **headers)
    return RejectedEvent.objects.get()


def test_corrected_event_is_stored_with_its_original_time_of_receipt() -> None:
    timestamp = "2026-11-24T12:00:00+00:00"
    body = {"batch": [{"type": "track", "event": "e", "timestamp": timestamp}], "sentAt": "2026-11-24T12:00:10Z"}
    rejected = make_rejected(body, path="/v1/batch")
    corrected = json.dumps({**json.loads(rejected.payload), "userId": "u1", "messageId": "m1"})
    assert replay_rejected(rejected_id=rejected.pk, payload=corrected, at=NOON) == ReplayResult(True, "m1")
    event = Event.objects.get()
    assert (event.source, event.user_id, event.received_at) == (rejected.source, "u1", rejected.received_at)
    assert event.occurred_at == rejected.received_at - timedelta(seconds=10)
    assert Outbox.objects.get().event_id == event.pk
    rejected.refresh_from_db()
    assert (rejected.status, rejected.replay_message_id, rejected.replayed_at) == ("replayed", "m1", NOON)
    assert json.loads(rejected.corrected_payload)["userId"] == "u1"
    assert "userId" not in rejected.payload
    with pytest.raises(NotOpenError):
        replay_rejected(rejected_id=rejected.pk, payload=corrected, at=NOON)


def test_event_that_is_still_invalid_keeps_its_row_with_the_new_reason() -> None:
    rejected = make_rejected({"event": "e"})
    result = replay_rejected(rejected_id=rejected.pk, payload='{"userId": "u1"}', at=NOON)
    assert (result.accepted, result.code) == (False, "missing_event")
    rejected = RejectedEvent.objects.get()
    assert (rejected.status, rejected.code, rejected.replayed_at) == ("open", "missing_event", None)
    for broken in ("{", '{"userId": "u1", "event": ' + "[" * 2000, "\ud83d"):
        assert not replay_rejected(rejected_id=rejected.pk, payload=broken, at=NOON).accepted
    assert RejectedEvent.objects.count() == 1


def test_value_that_postgresql_rejects_again_adds_no_second_rejected_event(monkeypatch: pytest.MonkeyPatch) -> None:
    rejected = make_rejected({"event": "e"})
    monkeypatch.setattr("customers.events.collector.items.replace_unstorable", lambda data: data)
    nul = json.dumps(track(properties={"t": "\0"}))
    assert replay_rejected(rejected_id=rejected.pk, payload=nul, at=NOON).code == "cannot_store"
    assert RejectedEvent.objects.get().code == "cannot_store"


def test_event_that_arrived_meanwhile_is_marked_and_not_stored_twice() -> None:
    rejected = make_rejected({"event": "e"})
    item = json.dumps({"event": "e", "userId": "u1", "messageId": "m1"})
    assert replay_rejected(rejected_id=rejected.pk, payload=item, at=NOON).accepted
    RejectedEvent.objects.update(status="open")
    assert replay_rejected(rejected_id=rejected.pk, payload=item, at=NOON) == ReplayResult(True, "m1", duplicate=True)
    assert Event.objects.count() == 1


def test_replay_respects_the_original_opt_out() -> None:
    rejected = make_rejected({"event": "e"}, DNT="1")
    assert replay_rejected(rejected_id=rejected.pk, payload='{"event": "e", "userId": "u1"}', at=NOON).accepted
    assert Event.objects.get().user_id == ""


def test_payload_is_encrypted_at_rest() -> None:
    make_rejected({"event": "e", "properties": {"email": "a@shop.example"}})
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM events_rejectedevent")
        assert "shop.example" not in cursor.fetchone()[0]


def test_an_event_from_before_the_founding_can_be_corrected_and_replayed(settings: Any) -> None:
    item = {"type": "track", "event": "A", "userId": "u1", "timestamp": "1970-01-01T00:00:01Z"}
    rejected = make_rejected_event(item, code="before_founding")
    assert replay_rejected(rejected_id=rejected.pk, payload=json.dumps(item), at=NOON).code == "before_founding"
    corrected = json.dumps({**item, "timestamp": "2026-05-01T00:00:01Z"})
    assert replay_rejected(rejected_id=rejected.pk, payload=corrected, at=NOON).accepted
    other = make_rejected_event(item, code="before_founding")
    settings.SHOP_FOUNDED = date(1960, 1, 1)
    assert replay_rejected(rejected_id=other.pk, payload=json.dumps(item), at=NOON).accepted


def test_an_event_with_characters_that_cannot_be_stored_can_be_replayed() -> None:
    rejected = make_rejected_event(code="nul_character")
    payload = '{"type":"track","event":"A\\u0000","userId":"u1","properties":{"k\\ud800":"\ud800"}}'
    assert replay_rejected(rejected_id=rejected.pk, payload=payload, at=NOON).accepted
    event = Event.objects.get()
    assert (event.name, event.properties) == ("A\ufffd", {"k\ufffd": "\ufffd"})
