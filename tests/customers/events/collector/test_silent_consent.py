"""Events of customers who have said nothing where the region needs a consent, and the answer to the consent banner."""

from typing import Any

import pytest

from config.foundation.personal_data.registry import find_store
from customers.erasure.people import describe_person
from customers.events.models import Event, Outbox
from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.models import Consent, ConsentDenial, ConsentSettings, Customer, Identifier
from tests.customers.events.client import make_keyed_source, send, track
from tests.customers.processing.event_makers import process
from tests.makers import make_consent, make_customer, make_identifier

pytestmark = pytest.mark.django_db
REFUSES = {"consent": {"categoryPreferences": {"analytics": False, "personalization": False}}}
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


def list_entries(customer: Customer) -> list[tuple[str, str]]:
    return list(Consent.objects.filter(customer=customer).order_by("pk").values_list("purpose", "status"))


@pytest.mark.parametrize("identity", [{"userId": "anna"}, {"userId": "", "anonymousId": "a1"}])
def test_a_refusal_is_recorded_although_its_event_is_stored_without_the_person(
    key: str, identity: dict[str, Any]
) -> None:
    customer = make_customer("anna", country="DE")
    make_identifier(customer, "a1", kind=Identifier.Kind.ANONYMOUS_ID)
    for purpose in (Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION):
        make_consent(customer, purpose)
    event = store(key, "Consent Preference Updated", context=REFUSES, **identity)
    process()
    assert (event.user_id, event.anonymous_id) == ("", "")
    assert list_entries(customer)[2:] == [("analytics", "withdrawn"), ("personalisation", "withdrawn")]
    assert not ConsentDenial.objects.filter(is_silent=True).exists()
    assert not Outbox.objects.exists()


def test_nobody_becomes_a_customer_by_refusing(key: str) -> None:
    store(key, "Consent Preference Updated", context=REFUSES, userId="", anonymousId="stranger")
    store(key, "Email Unsubscribed", context=REFUSES, userId="ben")
    assert process().counts["without_person"] == 2
    assert not Customer.objects.exists()


def test_an_unsubscribe_counts_while_a_consent_to_analytics_is_missing(key: str) -> None:
    customer = make_customer("anna", country="DE")
    make_consent(customer)
    refresh_consent_denials(customer_ids=[customer.pk])
    assert store(key, "Email Unsubscribed").user_id == ""
    process()
    assert list_entries(customer) == [("email", "granted"), ("email", "withdrawn")]


def test_a_mixed_answer_of_who_has_refused_only_refuses(key: str) -> None:
    customer = make_customer("anna", country="DE")
    make_consent(customer, Consent.Purpose.ANALYTICS, status="withdrawn")
    make_consent(customer, Consent.Purpose.PERSONALISATION)
    refresh_consent_denials(customer_ids=[customer.pk])
    mixed = {"consent": {"categoryPreferences": {"analytics": True, "personalization": False}}}
    store(key, "Consent Preference Updated", context=mixed)
    process()
    assert list_entries(customer)[2:] == [("personalisation", "withdrawn")]


def test_whom_a_waiting_refusal_applies_to_can_be_erased(key: str) -> None:
    customer = make_customer("anna", country="DE")
    store(key, "Consent Preference Updated", context=REFUSES)
    waiting, person = find_store("events.waiting"), describe_person(customer)
    assert waiting is not None
    assert [finding.count for finding in waiting.find([person])] == [1]
    assert (waiting.erase([person]), waiting.erase([person])) == (1, 0)
    assert process().events == 1
    assert list_entries(customer) == []
