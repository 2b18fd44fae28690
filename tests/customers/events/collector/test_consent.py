"""Events without consent, and encryption of personal values."""

from datetime import timedelta
from typing import Any

import pytest

from customers.events.collector.consent import read_denied_purposes
from customers.events.models import Event
from customers.events.recent.interactions import read_recent_interactions
from customers.events.sources.write_keys import clear_source_cache
from customers.identity.consent.ledger import record_consent
from customers.identity.models import Consent, Identifier
from customers.identity.personal_data.personal_traits import unseal_personal
from tests.customers.events.client import make_keyed_source, send, track
from tests.makers import NOON, make_customer, make_identifier

VIEW = {
    "properties": {"product_id": "p1", "session_id": "s1"},
    "context": {"library": {"name": "js"}, "ip": "10.0.0.1"},
}


@pytest.fixture(autouse=True)
def _clear_source_cache() -> None:
    clear_source_cache()


@pytest.mark.parametrize(
    ("context", "denied"),
    [
        ({}, set()),
        ({"consent": {"categoryPreferences": {"Analytics": True, "Advertising": False}}}, set()),
        ({"consent": {"categoryPreferences": {"analytics": False}}}, {"analytics"}),
        ({"consent": {"categoryPreferences": {"C0002": False, "C0003": False}}}, {"analytics", "personalisation"}),
        ({"consent": {"categoryPreferences": {"functional": True, "personalization": False}}}, {"personalisation"}),
        ({"consentManagement": {"deniedConsentIds": ["Performance", "other", 7]}}, {"analytics"}),
        ({"consent": "no", "consentManagement": [False]}, set()),
        ({"consent": {"categoryPreferences": {"analytics": "false", "": False}}}, set()),
    ],
)
def test_denied_categories_are_read_from_the_context(context: dict[str, Any], denied: set[str]) -> None:
    assert read_denied_purposes(context) == denied


def list_recent_products(**identifier: str) -> list[str]:
    return [interaction.product_id for interaction in read_recent_interactions(identifiers=list(identifier.items()))]


def send_and_load(key: str, *, headers: dict[str, str] | None = None, **item: Any) -> Event:
    fields = {**VIEW, "userId": "u1", "anonymousId": "a1", **item}
    response = send(track("Product Viewed", **fields), key, "/v1/track", **headers or {})
    assert (response.status_code, response.json()["accepted"]) == (200, 1)
    return Event.objects.latest("id")


def assert_anonymized(event: Event) -> None:
    assert (event.user_id, event.anonymous_id, event.session_id) == ("", "", "")
    assert event.product_ids == ["p1"]
    assert event.properties == {"product_id": "p1"}
    assert set(event.context) <= {"library", "consent", "consentManagement"}


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_event_without_analytics_consent_is_stored_without_a_person() -> None:
    _source, key = make_keyed_source()
    consent = {"consent": {"categoryPreferences": {"analytics": False}}}
    assert_anonymized(send_and_load(key, context={**VIEW["context"], **consent}))
    assert list_recent_products(user_id="u1", anonymous_id="a1") == []


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_event_without_personalization_consent_keeps_its_person_and_is_not_a_recent_interaction() -> None:
    _source, key = make_keyed_source()
    send_and_load(key)
    assert list_recent_products(user_id="u1") == ["p1"]
    event = send_and_load(key, context={"consentManagement": {"deniedConsentIds": ["personalization"]}})
    assert (event.user_id, event.anonymous_id) == ("u1", "a1")
    assert list_recent_products(user_id="u1", anonymous_id="a1") == []  # the earlier interactions are deleted too


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("header", ["DNT", "Sec-GPC"])
def test_opt_out_header_of_a_browser_is_respected_if_the_source_enables_it(header: str) -> None:
    _source, key = make_keyed_source()
    assert_anonymized(send_and_load(key, headers={header: "1"}))
    assert list_recent_products(user_id="u1", anonymous_id="a1") == []
    assert send_and_load(key, headers={header: "0"}).user_id == "u1"
    _other_source, other_key = make_keyed_source("other", honours_opt_out=False)
    assert send_and_load(other_key, headers={header: "1"}).user_id == "u1"


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("purpose", [Consent.Purpose.ANALYTICS, Consent.Purpose.PERSONALISATION])
def test_consent_ledger_overrides_the_consent_of_the_event(purpose: str) -> None:
    _source, key = make_keyed_source()
    customer = make_customer("u1")
    make_identifier(customer, "a1", kind=Identifier.Kind.ANONYMOUS_ID)
    record_consent(customer=customer, purpose=purpose, status=Consent.Status.WITHDRAWN, recorded_at=NOON)
    for identity in ({"userId": None}, {"anonymousId": None}):
        event = send_and_load(key, **identity)
        if purpose == Consent.Purpose.ANALYTICS:
            assert_anonymized(event)
        else:
            assert event.user_id or event.anonymous_id
    assert list_recent_products(user_id="u1", anonymous_id="a1") == []
    assert send_and_load(key, userId="u2", anonymousId="a2").user_id == "u2"
    later = NOON + timedelta(days=1)
    record_consent(customer=customer, purpose=purpose, status=Consent.Status.GRANTED, recorded_at=later)
    assert send_and_load(key).user_id == "u1"
    assert list_recent_products(user_id="u1") == ["p1"]


@pytest.mark.django_db
def test_traits_without_analytics_consent_are_not_stored() -> None:
    _source, key = make_keyed_source()
    customer = make_customer("u1")
    record_consent(customer=customer, purpose="analytics", status="withdrawn", recorded_at=NOON)
    item = {"userId": "u1", "traits": {"email": "a@shop.example", "plan": "gold"}, "context": {"traits": {"age": 7}}}
    send(item, key, "/v1/identify")
    event = Event.objects.get()
    assert (event.user_id, event.properties, event.context) == ("", {}, {})


@pytest.mark.django_db
def test_personal_values_are_encrypted() -> None:
    _source, key = make_keyed_source()
    traits = {"email": "a@shop.example", "firstName": "Ann", "address": {"city": "Bonn"}, "plan": "gold"}
    send({"userId": "u1", "traits": traits}, key, "/v1/identify")
    [identify] = Event.objects.all()
    assert identify.properties.pop("plan") == "gold"
    assert unseal_personal(identify.properties.pop("$personal")) == {
        name: traits[name] for name in traits if name != "plan"
    }
    assert identify.properties == {}

    properties = {"email": "b@shop.example", "name": "Blue kettle", "$personal": "forged"}
    context = {"traits": {"phone": "+4912345", "plan": "gold"}}
    send(track("Newsletter Opened", properties=properties, context=context), key, "/v1/track")
    event = Event.objects.latest("id")
    sealed = unseal_personal(event.properties.pop("$personal"))
    assert sealed == {"email": "b@shop.example", "phone": "+4912345"}
    assert (event.properties, event.context) == ({"name": "Blue kettle"}, {"traits": {"plan": "gold"}})


@pytest.mark.django_db
@pytest.mark.parametrize("placeholder", ["undefined", "null", "guest", "0", "00000000-0000-0000-0000-000000000000", 0])
def test_placeholder_id_is_treated_as_missing(placeholder: Any) -> None:
    _source, key = make_keyed_source()
    send({"batch": [track(userId=placeholder, anonymousId="a1"), track(userId=placeholder)]}, key)
    event = Event.objects.get()
    assert (event.user_id, event.anonymous_id) == ("", "a1")
