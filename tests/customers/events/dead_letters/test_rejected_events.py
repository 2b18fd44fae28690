"""Rejected events are counted, previewed, replayed, discarded and exported."""

import json
from datetime import timedelta
from typing import Any

import pytest
import redis
from cryptography.fernet import Fernet

from customers.events.dead_letters import rejected_events
from customers.events.models import Event, EventReceipt, Outbox, RejectedEvent
from tests.customers.events.makers import make_rejected_event
from tests.makers import NOON, make_source

pytestmark = pytest.mark.django_db

TRACK = {"type": "track", "event": "Product Viewed", "messageId": "m-right", "userId": "u1"}
Status = RejectedEvent.Status


def all_rejected_events() -> Any:
    return RejectedEvent.objects.all()


def preview(rejected_event: RejectedEvent, payload: Any) -> rejected_events.ReplayResult:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return rejected_events.preview_replay(rejected=rejected_event, payload=text)


def test_open_events_are_counted_by_reason_most_frequent_first() -> None:
    for code, at in (
        ("unknown_type", NOON),
        ("missing_identity", NOON - timedelta(hours=1)),
        ("missing_identity", NOON),
    ):
        make_rejected_event(code=code, at=at)
    make_rejected_event(code="unknown_type", status=Status.DISCARDED)
    make_rejected_event(code="unknown_type", status=Status.REPLAYED)
    counts = [(reason.code, reason.events, reason.oldest) for reason in rejected_events.count_open_reasons()]
    assert counts == [("missing_identity", 2, NOON - timedelta(hours=1)), ("unknown_type", 1, NOON)]


def test_preview_returns_the_outcome_and_changes_nothing() -> None:
    rejected_event = make_rejected_event()
    assert preview(rejected_event, TRACK).accepted
    assert (preview(rejected_event, {**TRACK, "userId": None}).code, preview(rejected_event, "{").code) == (
        "missing_identity",
        "invalid_json",
    )
    assert [model.objects.count() for model in (Event, Outbox, EventReceipt)] == [0, 0, 0]
    rejected_event.refresh_from_db()
    assert (rejected_event.status, rejected_event.code, rejected_event.corrected_payload) == (
        Status.OPEN,
        "missing_identity",
        "",
    )


def test_preview_reports_a_duplicate(valkey: redis.Redis) -> None:
    first, second = make_rejected_event(TRACK), make_rejected_event(TRACK)
    rejected_events.replay_many(events=all_rejected_events().filter(pk=first.pk), at=NOON)
    assert preview(second, TRACK).duplicate
    assert Event.objects.count() == 1


def test_replay_of_many_events_counts_the_outcomes(valkey: redis.Redis) -> None:
    make_rejected_event(TRACK)
    make_rejected_event(TRACK, at=NOON + timedelta(seconds=1))  # the same message once more
    make_rejected_event({**TRACK, "messageId": "m-2"}, corrected_payload=json.dumps({**TRACK, "messageId": "m-3"}))
    still_open = make_rejected_event()
    make_rejected_event({**TRACK, "messageId": "m-4"}, status=Status.DISCARDED)
    result = rejected_events.replay_many(events=all_rejected_events(), at=NOON)
    assert (result.accepted, result.duplicates, result.skipped, result.remaining) == (3, 1, 0, 0)
    assert result.reasons == {"missing_identity": 1}
    assert set(Event.objects.values_list("message_id", flat=True)) == {"m-right", "m-3"}
    assert list(all_rejected_events().filter(status=Status.OPEN)) == [still_open]
    assert set(all_rejected_events().filter(status=Status.REPLAYED).values_list("replayed_at", flat=True)) == {NOON}


def test_replay_of_more_than_the_maximum_takes_several_calls(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_events, "MAX_REPLAYED", 2)
    for number in range(3):
        make_rejected_event({**TRACK, "messageId": f"m-{number}"}, at=NOON - timedelta(minutes=number))
    result = rejected_events.replay_many(events=all_rejected_events(), at=NOON)
    assert (result.accepted, result.remaining) == (2, 1)
    assert set(Event.objects.values_list("message_id", flat=True)) == {"m-2", "m-1"}  # the oldest first


def test_payload_with_a_lost_encryption_key_does_not_affect_others(valkey: redis.Redis, settings: Any) -> None:
    make_rejected_event(TRACK)
    keys = settings.FIELD_KEYS
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    make_rejected_event({**TRACK, "messageId": "lost"}, at=NOON + timedelta(seconds=1))
    settings.FIELD_KEYS = keys
    lines = export(with_personal=True)
    assert (lines[0]["payload"], lines[1]["payload"]) == (TRACK, None)
    assert "FIELD_KEYS" in lines[1]["problem"]
    result = rejected_events.replay_many(events=all_rejected_events(), at=NOON)
    assert (result.accepted, result.skipped) == (1, 1)


def test_discarded_events_can_be_reopened() -> None:
    rejected_event, replayed = make_rejected_event(), make_rejected_event(status=Status.REPLAYED)
    assert rejected_events.discard_rejected(events=all_rejected_events()) == 1
    rejected_event.refresh_from_db()
    assert rejected_event.status == Status.DISCARDED
    assert rejected_events.reopen_discarded(events=all_rejected_events()) == 1
    replayed.refresh_from_db()
    assert replayed.status == Status.REPLAYED


def test_replayed_event_is_found(valkey: redis.Redis) -> None:
    rejected_event = make_rejected_event(TRACK)
    assert rejected_events.find_replayed_event(rejected_event) is None
    rejected_events.replay_many(events=all_rejected_events(), at=NOON + timedelta(days=1))
    rejected_event.refresh_from_db()
    assert rejected_events.find_replayed_event(rejected_event) == Event.objects.get()


def export(*, with_personal: bool) -> list[dict[str, Any]]:
    pks = list(all_rejected_events().values_list("pk", flat=True))
    return [json.loads(line) for line in rejected_events.export_lines(pks=pks, with_personal=with_personal)]


def test_export_has_one_event_per_line_and_masks_personal_data() -> None:
    reason = "userId is {'mail': 'anna@example.com'}; give a text."
    make_rejected_event(
        {"userId": {"mail": "anna@example.com"}, "event": "x"}, source=make_source("web"), reason=reason
    )
    make_rejected_event("{ no json, anna@example.com", code="invalid_text", at=NOON + timedelta(seconds=1))
    clear, masked = export(with_personal=True), export(with_personal=False)
    assert [line["payload"] for line in clear] == [
        {"userId": {"mail": "anna@example.com"}, "event": "x"},
        "{ no json, anna@example.com",
    ]
    assert (clear[0]["source"], clear[0]["code"], clear[0]["received_at"]) == (
        "web",
        "missing_identity",
        NOON.isoformat(),
    )
    assert masked[0]["payload"] == {"userId": {"mail": "•••1"}, "event": "x"}
    assert masked[1]["payload"] is None
    assert "anna" not in json.dumps(masked)
