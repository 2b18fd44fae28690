"""The page of one event: personal data, links and surrounding events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.test import Client
from django.urls import reverse

from customers.events.models import Event
from customers.identity.personal_data.personal_traits import seal_personal
from tests.customers.events.makers import log_in_as, make_event
from tests.makers import make_customer

pytestmark = pytest.mark.django_db
LIVE, ROWS, MINUTES = (reverse(f"admin:events_{name}") for name in ("live", "live_rows", "minutes"))
SOURCES, EVENTS, REJECTED_EVENTS = (
    reverse(f"admin:events_{name}_changelist") for name in ("source", "event", "rejectedevent")
)


def fetch_rows(client: Client, **query: Any) -> list[dict[str, Any]]:
    response = client.get(ROWS, query)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    return response.json()["events"]


def get_page_url(event: Event) -> str:
    return reverse("admin:events_event_change", args=[event.pk])


def test_analyst_sees_no_personal_data() -> None:
    event = make_event(
        type="identify",
        name="",
        user_id="anna@example.com",
        anonymous_id="a-1",
        properties={"$personal": seal_personal({"email": "anna@example.com"}), "plan": "gold"},
        context={"ip": "203.0.113.7", "page": {"path": "/tea"}},
    )
    analyst = log_in_as("Analyst")
    texts = [analyst.get(address).text for address in (LIVE, EVENTS, get_page_url(event))]
    assert fetch_rows(analyst)[0]["who"] == "•••"
    for text in texts:
        assert "anna" not in text
        assert "203.0.113.7" not in text
    assert "gold" in texts[2]
    assert not LogEntry.objects.filter(action=LogEntry.Action.ACCESS).exists()


def test_access_to_personal_data_is_logged() -> None:
    sealed = seal_personal({"email": "anna@example.com"})
    event = make_event(type="identify", name="", properties={"$personal": sealed}, context={"ip": "203.0.113.7"})
    text = log_in_as("Privacy officer").get(get_page_url(event)).text
    assert "anna@example.com" in text
    assert "203.0.113.7" in text
    entry = LogEntry.objects.get(object_id=event.pk, content_type__model="event")
    assert (entry.action, entry.actor.username) == (LogEntry.Action.ACCESS, "Privacy officer")


def test_event_with_a_lost_encryption_key_can_be_opened(admin_client: Client) -> None:
    event = make_event(properties={"$personal": "gAAAAA", "plan": "gold"})
    text = admin_client.get(get_page_url(event)).text
    assert "FIELD_KEYS" in text
    assert "gold" in text


def test_event_links_to_its_customer_source_and_session(admin_client: Client) -> None:
    now = datetime.now(UTC)
    customer = make_customer("anna")
    event = make_event(user_id="anna", session_id="s1", at=now)
    before = make_event(user_id="anna", session_id="s1", at=now - timedelta(hours=2))
    other_session = make_event(user_id="anna", session_id="s2", at=now)
    other_customer = make_event(user_id="ben", session_id="s1", at=now)
    text = admin_client.get(get_page_url(event)).text
    assert f'href="{reverse("admin:lifecycle_customer", args=[customer.pk])}"' in text
    assert f'href="{reverse("admin:events_source_change", args=[event.source_id])}"' in text
    assert f'href="{get_page_url(before)}"' in text
    assert f'href="{get_page_url(other_session)}"' not in text
    assert f'href="{get_page_url(other_customer)}"' not in text
    visible = log_in_as("Analyst").get(get_page_url(event)).text
    assert f'href="{reverse("admin:lifecycle_customer", args=[customer.pk])}"' in visible
    assert f'href="{reverse("admin:events_source_change", args=[event.source_id])}"' not in visible


def test_event_without_a_session_shows_events_within_half_an_hour(admin_client: Client) -> None:
    now = datetime.now(UTC)
    event = make_event(user_id="", anonymous_id="a1", at=now)
    near = make_event(user_id="", anonymous_id="a1", at=now + timedelta(minutes=29))
    far = make_event(user_id="", anonymous_id="a1", at=now - timedelta(minutes=31))
    text = admin_client.get(get_page_url(event)).text
    assert get_page_url(near) in text
    assert get_page_url(far) not in text


def test_event_without_a_person_shows_the_reason(admin_client: Client) -> None:
    assert "consent to analytics was denied" in admin_client.get(get_page_url(make_event(user_id=""))).text
