"""Events of customers who have said nothing where the region needs a consent, and the answer to the consent banner."""

from typing import Any

import pytest

from customers.events.models import Event
from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.models import Consent, ConsentDenial, ConsentSettings
from tests.customers.events.client import make_keyed_source, send, track
from tests.customers.processing.event_makers import process
from tests.makers import make_customer

pytestmark = pytest.mark.django_db
GRANTS = {"consent": {"categoryPreferences": {"analytics": True, "personalization": True}}}


@pytest.fixture
def key(valkey: Any) -> str:
    return make_keyed_source(kind="server")[1]


def store(key: str, name: str = "Product Viewed", properties: dict[str, Any] | None = None, **fields: Any) -> Event:
    event = track(name, **{"properties": properties or {"product_id": "p1"}, "userId": "anna", **fields})
    assert send(event, key, "/v1/track").json()["accepted"] == 1
    return Event.objects.latest("id")


def test_only_events_with_a_consent_and_orders_keep_the_customer(key: str) -> None:
    refresh_consent_denials(customer_ids=[make_customer("anna", country="DE").pk])
    assert store(key).user_id == ""
    assert store(key, context=GRANTS).user_id == "anna"
    order = {"order_id": "o1", "products": [{"product_id": "p1", "quantity": 1, "price": 5}]}
    assert store(key, "Order Completed", order).user_id == "anna"


def test_an_answer_to_the_banner_is_recorded_with_its_event(key: str) -> None:
    customer = make_customer("anna", country="DE")
    refresh_consent_denials(customer_ids=[customer.pk])
    event = store(key, "Consent Preference Updated", {"policy_version": "3"}, context=GRANTS)
    process()
    entries = Consent.objects.filter(customer=customer).order_by("purpose")
    assert [(entry.purpose, entry.status, entry.policy_version) for entry in entries] == [
        ("analytics", "granted", "3"),
        ("personalisation", "granted", "3"),
    ]
    assert entries[0].proof == {"kind": "event", "reference": event.message_id}
    assert not ConsentDenial.objects.exists()
    assert store(key).user_id == "anna"


@pytest.mark.usefixtures("stored_consent_settings")
def test_strangers_are_asked_too_if_the_settings_say_so(key: str) -> None:
    ConsentSettings.objects.create(pk=1, unknown_region="europe")
    assert store(key, userId="", anonymousId="a1").anonymous_id == ""
    assert store(key, userId="", anonymousId="a1", context=GRANTS).anonymous_id == "a1"
