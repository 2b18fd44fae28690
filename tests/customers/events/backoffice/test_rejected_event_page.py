"""The pages of rejected events: viewing, correcting, replaying and discarding, one event or many."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from auditlog.models import LogEntry
from cryptography.fernet import Fernet
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.events.models import Event, RejectedEvent, Source
from tests.customers.events.client import make_keyed_source, send
from tests.customers.events.makers import log_in_as, make_rejected_event
from tests.makers import make_source

pytestmark = pytest.mark.django_db

REJECTED_EVENTS = reverse("admin:events_rejectedevent_changelist")
PERSONAL = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": "m-1",
    "properties": {"product_id": "tea", "email": "anna@example.com"},
    "context": {"ip": "203.0.113.7"},
}


def get_page_url(rejected: RejectedEvent) -> str:
    return reverse("admin:events_rejectedevent_change", args=[rejected.pk])


def open_page(client: Client, rejected: RejectedEvent) -> Any:
    page = client.get(get_page_url(rejected))
    assert page.status_code == 200
    return page


def submit_form(client: Client, rejected: RejectedEvent, action: str, text: str | None = None) -> Any:
    initial = open_page(client, rejected).context["form"].initial
    text = initial["text"] if text is None else text
    return client.post(get_page_url(rejected), {"text": text, "stamp": initial["stamp"], "do": action}, follow=True)


def run_action(client: Client, action: str, *rejected_events: RejectedEvent) -> Any:
    selected = {"action": action, "_selected_action": [rejected.pk for rejected in rejected_events]}
    return client.post(f"{REJECTED_EVENTS}?status=all", selected, follow=action != "export")


@pytest.fixture
def rejected(valkey: redis.Redis) -> RejectedEvent:
    """Return an event without any id, as the collector rejects it."""
    _source, key = make_keyed_source()
    assert send({"batch": [PERSONAL]}, key).json()["rejected"] == 1
    return RejectedEvent.objects.get()


@pytest.mark.parametrize("role", ["Operator", "Administrator"])
def test_rejected_event_can_be_corrected_checked_and_replayed(rejected: RejectedEvent, role: str) -> None:
    client = log_in_as(role)
    text = open_page(client, rejected).context["form"].initial["text"]
    assert "would be rejected again" in submit_form(client, rejected, "check").text
    corrected = text.replace('"m-1"', '"m-1",\r\n  "userId": "anna"')
    checked = submit_form(client, rejected, "check", corrected)
    assert "would be accepted" in checked.text
    assert "&quot;userId&quot;: &quot;anna&quot;" in checked.text  # the form keeps the input
    assert not Event.objects.exists()
    response = submit_form(client, rejected, "replay", corrected)
    event = Event.objects.get()
    assert (event.user_id, event.message_id, event.product_ids) == ("anna", "m-1", ["tea"])
    rejected.refresh_from_db()
    assert (rejected.status, rejected.replay_message_id) == (RejectedEvent.Status.REPLAYED, "m-1")
    assert "The event was accepted" in response.text
    assert reverse("admin:events_event_change", args=[event.pk]) in response.text
    assert 'name="text"' not in response.text


def test_user_without_personal_data_permission_can_correct_a_masked_payload(rejected: RejectedEvent) -> None:
    operator = log_in_as("Operator")
    page = open_page(operator, rejected)
    assert "anna@example.com" not in page.text
    assert "203.0.113.7" not in page.text
    assert "2 personal values" in page.text
    text = page.context["form"].initial["text"].replace('"m-1"', '"m-1", "anonymousId": "a-1"')
    submit_form(operator, rejected, "replay", text)
    rejected.refresh_from_db()
    assert json.loads(rejected.corrected_payload) == {**PERSONAL, "anonymousId": "a-1"}
    assert not LogEntry.objects.filter(object_id=rejected.pk, action=LogEntry.Action.ACCESS).exists()


def test_access_of_a_privacy_officer_to_the_payload_is_logged(rejected: RejectedEvent) -> None:
    officer = log_in_as("Privacy officer")
    page = open_page(officer, rejected)
    assert "anna@example.com" in page.text
    entry = LogEntry.objects.get(object_id=rejected.pk, action=LogEntry.Action.ACCESS)
    assert entry.actor.username == "Privacy officer"
    assert 'name="do"' not in page.text
    assert officer.post(get_page_url(rejected), {"text": "{}", "stamp": "", "do": "replay"}).status_code == 403
    assert officer.post(get_page_url(rejected), {"do": "discard"}).status_code == 403
    assert not Event.objects.exists()


def test_event_that_is_rejected_again_stays_open_with_the_new_reason(rejected: RejectedEvent) -> None:
    client = log_in_as("Operator")
    text = open_page(client, rejected).context["form"].initial["text"]
    response = submit_form(client, rejected, "replay", text.replace('"track"', '"trakc"'))
    assert "rejected again" in response.text
    rejected.refresh_from_db()
    assert (rejected.status, rejected.code) == (RejectedEvent.Status.OPEN, "unknown_type")
    assert (
        "trakc" in open_page(client, rejected).context["form"].initial["text"]
    )  # the form continues with the last correction
    submit_form(client, rejected, "replay", "no json at all")
    rejected.refresh_from_db()
    assert rejected.status == RejectedEvent.Status.OPEN
    assert "Only users with permission to view personal data" in open_page(client, rejected).text


def test_concurrent_corrections_do_not_overwrite_each_other(rejected: RejectedEvent) -> None:
    client = log_in_as("Operator")
    initial = open_page(client, rejected).context["form"].initial
    submit_form(
        log_in_as("Administrator"),
        rejected,
        "replay",
        json.dumps({**PERSONAL, "type": "other", "email": "b@example.com"}),
    )
    late = client.post(get_page_url(rejected), {**initial, "do": "replay"})
    assert "Another user has saved a different correction" in late.text
    submit_form(client, rejected, "discard")
    closed = submit_form(client, rejected, "replay")
    assert not Event.objects.exists()
    assert 'name="text"' not in closed.text


def test_replay_of_a_duplicate_shows_a_message(rejected: RejectedEvent) -> None:
    source = Source.objects.get()
    duplicate = make_rejected_event({**PERSONAL, "userId": "u1"}, source=source)
    client = log_in_as("Operator")
    submit_form(client, duplicate, "replay")
    text = open_page(client, rejected).context["form"].initial["text"].replace('"m-1"', '"m-1", "userId": "u2"')
    assert "already exists" in submit_form(client, rejected, "replay", text).text
    assert Event.objects.get().user_id == "u1"


def test_rejected_event_can_be_discarded_and_reopened(rejected: RejectedEvent) -> None:
    client = log_in_as("Operator")
    assert "The event was discarded" in submit_form(client, rejected, "discard").text
    assert "Reopen" in open_page(client, rejected).text
    assert "The event was reopened" in submit_form(client, rejected, "reopen").text
    history = client.get(reverse("admin:events_rejectedevent_history", args=[rejected.pk])).text
    assert "Discarded." in history
    assert "Reopened." in history


def test_payload_with_a_lost_encryption_key_shows_the_problem(rejected: RejectedEvent, settings: Any) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    page = log_in_as("Administrator").get(get_page_url(rejected))
    assert "FIELD_KEYS" in page.text
    assert 'name="text"' not in page.text


def test_unknown_rejected_event_returns_404(admin_client: Client) -> None:
    for number in ("999", "x"):
        assert admin_client.get(f"{REJECTED_EVENTS}{number}/change/").status_code == 404


def test_list_shows_open_events_with_reason_counts_and_filters() -> None:
    now = datetime.now(UTC)
    old = make_rejected_event(at=now - timedelta(days=8), code="unknown_type")
    recent = make_rejected_event(at=now, source=make_source("web"))
    discarded = make_rejected_event(at=now, status=RejectedEvent.Status.DISCARDED)
    client = log_in_as("Operator")

    def list_events(query: str = "") -> list[RejectedEvent]:
        return list(client.get(f"{REJECTED_EVENTS}{query}").context["cl"].result_list)

    assert list_events() == [recent, old]
    assert list_events("?status=discarded") == [discarded]
    assert len(list_events("?status=all")) == 3
    assert list_events("?age=older") == [old]
    assert list_events("?age=day") == [recent]
    assert list_events("?code=unknown_type") == [old]
    assert list_events(f"?source__id__exact={recent.source_id}") == [recent]
    assert list_events("?q=anonymousId") == [recent, old]
    assert list_events("?q=Opened") == []  # only in the payload
    context = client.get(REJECTED_EVENTS).context
    assert [(reason["code"], reason["events"]) for reason in context["open_reasons"]] == [
        ("missing_identity", 1),
        ("unknown_type", 1),
    ]


def test_number_of_queries_of_the_list_is_constant_and_no_payload_is_loaded() -> None:
    client = log_in_as("Operator")

    def list_queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            client.get(REJECTED_EVENTS)
        return [query["sql"] for query in captured]

    make_rejected_event()
    queries_for_one = list_queries()
    for number in range(20):
        make_rejected_event(source=make_source(f"source-{number}"), code=f"code-{number}")
    assert len(list_queries()) == len(queries_for_one)
    assert not any('"payload"' in query for query in queries_for_one)


def test_many_events_can_be_replayed_after_the_cause_is_fixed(valkey: redis.Redis) -> None:
    valid = make_rejected_event({**PERSONAL, "userId": "u1"})
    duplicate = make_rejected_event({**PERSONAL, "userId": "u1"}, at=datetime.now(UTC))
    invalid = make_rejected_event()
    page = run_action(log_in_as("Operator"), "replay", valid, duplicate, invalid)
    assert "2 events were accepted." in page.text
    assert "1 of them was a duplicate." in page.text
    assert "1 event was rejected again: The event has neither" in page.text
    assert Event.objects.count() == 1
    assert "m-1" in page.text  # the message id


def test_many_events_can_be_discarded() -> None:
    assert (
        "2 events were discarded."
        in run_action(log_in_as("Operator"), "discard", make_rejected_event(), make_rejected_event()).text
    )
    assert not RejectedEvent.objects.exclude(status=RejectedEvent.Status.DISCARDED).exists()


def test_selection_can_be_downloaded_as_json_lines() -> None:
    selected, _unselected = make_rejected_event(PERSONAL), make_rejected_event()
    responses = {role: run_action(log_in_as(role), "export", selected) for role in ("Operator", "Privacy officer")}
    lines = {role: b"".join(response).decode() for role, response in responses.items()}
    assert responses["Operator"]["Content-Disposition"] == 'attachment; filename="rejected-events.jsonl"'
    assert [json.loads(line)["id"] for line in lines["Operator"].splitlines()] == [selected.pk]
    assert "anna@example.com" not in lines["Operator"]
    assert json.loads(lines["Privacy officer"])["payload"] == PERSONAL
    entries = LogEntry.objects.filter(object_id=selected.pk, action=LogEntry.Action.ACCESS).order_by("pk")
    assert [(entry.actor.username, entry.additional_data["details"]) for entry in entries] == [
        ("Operator", {"personal": False}),
        ("Privacy officer", {"personal": True}),
    ]


def test_user_with_view_permission_cannot_replay_or_discard(valkey: redis.Redis) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_rejectedevent"))
    client = Client()
    client.force_login(viewer)
    rejected = make_rejected_event({**PERSONAL, "userId": "u1"})
    run_action(client, "replay", rejected)
    run_action(client, "discard", rejected)
    rejected.refresh_from_db()
    assert rejected.status == RejectedEvent.Status.OPEN
    assert not Event.objects.exists()
    assert "anna@example.com" not in client.get(get_page_url(rejected)).text


def test_reasons_are_shown_in_the_language_of_the_user(rejected: RejectedEvent) -> None:
    client = log_in_as("Operator", language="zh-hans")
    assert "请至少提供一个" in client.get(REJECTED_EVENTS).text
    page = client.get(get_page_url(rejected)).text
    assert "请至少提供一个" in page
    assert "重放" in page
