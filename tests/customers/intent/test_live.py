"""Predictions for the sessions of this moment: over REST, in conditions, in offers and in flows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from customers.identity.models import Consent, ConsentDenial, Identifier
from customers.intent.predicting import predict_customer, predict_customers, predict_visitor
from customers.intent.served_model import forget_served_model
from customers.segments.membership import find_segments, query_matching
from recommendations.flows.execution.people import select_matching
from recommendations.offers.decision import OfferRequest, clear_offer_cache, decide_offer
from tests.config.access.callers import make_client
from tests.customers.intent.stored_sessions import store_events, store_model
from tests.makers import make_customer, make_identifier, make_order, make_product, make_segment
from tests.recommendations.offers.makers import make_offer

pytestmark = pytest.mark.django_db
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
LIKELY = {"field": "order_likelihood", "op": "gte", "value": 0.5}
UNLIKELY = {"field": "order_likelihood", "op": "lt", "value": 0.5}


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    forget_served_model()
    clear_offer_cache()
    yield
    forget_served_model()
    clear_offer_cache()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The present: REST, offers and flows use the clock, which stops, because predictions change with every second of silence."""
    moment = datetime.now(UTC)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    store_model(as_of=moment)
    return moment


@pytest.fixture
def client() -> Client:
    return make_client("customers:read")


def view_at(now: datetime, *seconds: int) -> list[tuple[datetime, str]]:
    return [(now - value * SECOND, "Product Viewed") for value in seconds]


def test_predictions_follow_the_events_of_the_session(now: datetime, client: Client) -> None:
    make_customer("mei")
    make_product("pan", category="Kitchen")
    store_events(view_at(now, 3), user_id="mei", product_id="pan")
    first = client.get("/api/v1/customers/mei/intent/").json()
    assert (first["reason"], first["session"]["events"], first["session"]["has_ordered"]) == ("", 1, False)
    assert [row["category"] for row in first["next_categories"]]
    store_events(
        [(now - 2 * SECOND, "Product Added"), (now - SECOND, "Checkout Started")], user_id="mei", product_id="pan"
    )
    later = client.get("/api/v1/customers/mei/intent/").json()
    assert later["session"]["events"] == 3
    assert later["order"]["probability"] > 3 * first["order"]["probability"] > 0
    assert later["order"]["based_on"] == later["leave"]["based_on"] == "model"
    store_events([(now, "Order Completed")], user_id="mei")
    ordered = client.get("/api/v1/customers/mei/intent/").json()
    assert (ordered["order"]["probability"], ordered["session"]["has_ordered"]) == (1, True)


def test_silence_changes_the_prediction_and_ends_the_session(now: datetime) -> None:
    store_events(view_at(now, 0), anonymous_id="device-1")
    at_once, later = (predict_visitor(anonymous_id="device-1", now=now + wait) for wait in (SECOND, 20 * MINUTE))
    assert at_once.order is not None
    assert later.order is not None
    assert at_once.leave is not None
    assert later.leave is not None
    assert (later.order < at_once.order, later.leave > at_once.leave) == (True, True)
    assert predict_visitor(anonymous_id="device-1", now=now + 30 * MINUTE).events == 1, "exactly the gap"
    assert predict_visitor(anonymous_id="device-1", now=now + 31 * MINUTE).reason == "no_session"
    store_events(view_at(now, -60), anonymous_id="device-1")
    assert predict_visitor(anonymous_id="device-1", now=now + SECOND).events == 1, "what comes later is not known"


def test_a_session_has_the_events_of_all_devices_but_no_messages(now: datetime) -> None:
    mei = make_customer("mei")
    make_identifier(mei, "phone", kind=Identifier.Kind.ANONYMOUS_ID)
    store_events(view_at(now, 30), anonymous_id="phone")
    store_events([(now - 20 * SECOND, "Email Opened"), *view_at(now, 10)], user_id="mei")
    intent = predict_customer(user_id="mei", now=now)
    assert (intent.events, intent.started_at) == (2, now - 30 * SECOND)
    assert predict_visitor(anonymous_id="phone", now=now) == intent
    make_order(mei, placed_at=now - 5 * SECOND)
    assert predict_customer(user_id="mei", now=now).has_ordered, "an order that no event has announced"


def test_who_denies_personalization_is_not_predicted(now: datetime) -> None:
    make_customer("mei")
    store_events(view_at(now, 1), user_id="mei")
    store_events(view_at(now, 1), anonymous_id="unknown")
    for kind, value in (("user_id", "mei"), ("anonymous_id", "unknown")):
        ConsentDenial.objects.create(kind=kind, value=value, purpose=Consent.Purpose.PERSONALISATION)
    assert predict_customer(user_id="mei", now=now).reason == "consent_denied"
    assert predict_visitor(anonymous_id="unknown", now=now).reason == "consent_denied"
    assert predict_customers(None, now=now) == {}


def test_without_a_session_or_a_model_the_answer_says_why(client: Client) -> None:
    make_customer("mei")
    make_customer("gone", erased_at=datetime.now(UTC))
    empty = {"order": None, "leave": None, "session": None, "next_categories": []}
    answer = client.get("/api/v1/visitors/nobody/intent/").json()
    assert {name: answer[name] for name in empty} == empty
    assert answer["reason"] == "no_model"
    store_model(as_of=datetime.now(UTC))
    assert client.get("/api/v1/customers/mei/intent/").json()["reason"] == "no_session"
    for path in ("customers/nobody", "customers/gone", "customers/a%00b", "visitors/a%00b", f"visitors/{'x' * 300}"):
        assert client.get(f"/api/v1/{path}/intent/").status_code == 404, path
    assert client.get("/api/v1/customers/mei/intent/?day=1").status_code == 400
    assert client.post("/api/v1/customers/mei/intent/").status_code == 405
    assert make_client("orders:read").get("/api/v1/customers/mei/intent/").status_code == 403


def test_a_prediction_takes_five_queries(now: datetime, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    mei = make_customer("mei")
    make_identifier(mei, "phone", kind=Identifier.Kind.ANONYMOUS_ID)
    store_events(view_at(now, 1, 2, 3), user_id="mei")
    predict_customer(user_id="mei", now=now)
    with django_assert_num_queries(5):  # owner, identifiers, denials, events, orders
        predict_customer(user_id="mei", now=now)
    with django_assert_num_queries(5):  # active customers instead of the owner
        predict_customers(None, now=now)


def test_conditions_compare_the_value_of_the_moment(now: datetime) -> None:
    viewer, buyer, absent = (make_customer(name) for name in ("viewer", "buyer", "absent"))
    store_events(view_at(now, 5), user_id="viewer")
    store_events([*view_at(now, 5), (now, "Order Completed")], user_id="buyer")
    store_events(view_at(now, 3600), user_id="absent")
    everyone = {viewer.pk, buyer.pk, absent.pk}

    def match(condition: object) -> set[int]:
        matching = set(query_matching(condition=condition, as_of=now).values_list("pk", flat=True))
        assert select_matching(condition, list(everyone), as_of=now) == matching  # type: ignore[arg-type]
        return matching

    assert match(LIKELY) == {buyer.pk}
    assert match(UNLIKELY) == {viewer.pk}, "who does not visit the shop has no likelihood"
    assert match({"not": LIKELY}) == {viewer.pk, absent.pk}
    assert match({"field": "leave_likelihood", "op": "is_set"}) == {viewer.pk, buyer.pk}
    assert match({"field": "leave_likelihood", "op": "between", "value": [0, 1]}) == {viewer.pk, buyer.pk}
    assert match({"field": "order_likelihood", "op": "eq", "value": 1}) == {buyer.pk}
    assert match({"field": "order_likelihood", "op": "ne", "value": 1}) == {viewer.pk, absent.pk}
    assert match({"field": "order_likelihood", "op": "gt", "value": 1}) == set()


def test_an_offer_is_decided_by_the_value_of_the_moment(now: datetime) -> None:
    """Also where the segment of the offer only refers to the one with the condition."""
    make_customer("mei")
    make_segment("unlikely", UNLIKELY)
    make_offer("stay", segment=make_segment("target", {"field": "segment", "op": "in", "value": ["unlikely"]}))
    request = OfferRequest("top", "mei")
    assert decide_offer(request=request, now=now).offer is None, "no session"
    store_events(view_at(now, 0), user_id="mei")
    shown = decide_offer(request=request, now=now).offer
    assert shown is not None
    store_events([(now, "Order Completed")], user_id="mei")
    assert decide_offer(request=request, now=now).offer is None, "a moment later"


def test_explanations_show_the_value(now: datetime) -> None:
    from customers.segments.explanation.membership_explanation import explain_segments

    mei = make_customer("mei")
    segment = make_segment("likely", LIKELY)
    store_events([(now, "Order Completed")], user_id="mei")
    assert find_segments(customer=mei, as_of=now) == [segment]
    explanation = explain_segments(customer=mei, segments=[segment], as_of=now, with_personal=False)[0]
    assert (explanation.is_member, explanation.parts[0].value) == (True, "1.0")
