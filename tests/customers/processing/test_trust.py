"""Whom a source may speak for: what a browser claims about customers, orders and consents changes nothing for others."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.models import Product
from customers.events.models import Event, RejectedEvent, Source
from customers.events.sources.user_tokens import create_user_token, read_token_key
from customers.feedback.models import Review
from customers.identity.models import Consent, Customer, Identifier
from customers.orders.models import Order
from customers.processing.pipeline import process_events
from tests.customers.events.client import make_keyed_source, send
from tests.makers import make_product

pytestmark = pytest.mark.django_db(transaction=True)


def make_browser(**fields: Any) -> tuple[Source, str]:
    return make_keyed_source("web", kind=Source.Kind.BROWSER, **fields)


def make_token(source: Source, user_id: str) -> str:
    return create_user_token(key=read_token_key(source.sealed_token_key), user_id=user_id, now=datetime.now(UTC))


def post(key: str, *items: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = send({"batch": list(items)}, key, **headers)
    assert answer.status_code == 200, answer.content
    result: dict[str, Any] = answer.json()
    process_events(at=datetime.now(UTC))
    return result


def make_victim() -> Customer:
    """Return a customer whom the shop's server has described."""
    _source, key = make_keyed_source("server")
    post(
        key,
        {
            "type": "identify",
            "userId": "u1",
            "anonymousId": "home",
            "traits": {"email": "ana@shop.example", "firstName": "Ana", "language": "de", "plan": "gold"},
        },
    )
    return Identifier.objects.get(kind=Identifier.Kind.USER_ID, value="u1").customer


def identify(**item: Any) -> dict[str, Any]:
    return {"type": "identify", "anonymousId": "attacker", **item}


def owner_of(kind: str, value: str) -> int | None:
    return Identifier.objects.filter(kind=kind, value=value).values_list("customer_id", flat=True).first()


def test_naming_an_address_attaches_no_browser_to_its_customer() -> None:
    victim = make_victim()
    _source, key = make_browser()
    post(key, identify(traits={"email": "ana@shop.example", "firstName": "Eve", "phone": "+49 30 1234567"}))
    assert owner_of(Identifier.Kind.ANONYMOUS_ID, "attacker") != victim.pk
    victim.refresh_from_db()
    assert (victim.email, victim.name, victim.phone) == ("ana@shop.example", "Ana", "")
    assert not Identifier.objects.filter(kind=Identifier.Kind.PHONE_HASH).exists()


def test_a_browser_cannot_reserve_an_address_before_its_customer_comes() -> None:
    _source, key = make_browser()
    post(key, identify(traits={"email": "ana@shop.example"}))
    victim = make_victim()
    assert victim.email == "ana@shop.example"
    assert Identifier.objects.get(kind=Identifier.Kind.EMAIL_HASH).customer_id == victim.pk


def test_a_customer_id_without_a_token_is_ignored_and_reported() -> None:
    victim = make_victim()
    source, key = make_browser()
    result = post(
        key, identify(userId="u1", traits={"plan": "none"}), {**identify(userId="u1"), "type": "track", "event": "x"}
    )
    assert [warning["code"] for warning in result["warnings"]] == ["unverified_user_id", "unverified_user_id"]
    assert "context.userToken" in result["warnings"][0]["message"]
    assert not Event.objects.filter(source=source).exclude(user_id="").exists()
    assert owner_of(Identifier.Kind.ANONYMOUS_ID, "attacker") != victim.pk
    victim.refresh_from_db()
    assert victim.traits["plan"] == "gold"


def test_a_customer_id_without_token_and_visitor_is_rejected() -> None:
    _source, key = make_browser()
    result = post(key, {"type": "track", "event": "Product Viewed", "userId": "u1"})
    assert [error["code"] for error in result["errors"]] == ["unverified_user_id"]
    assert RejectedEvent.objects.get().code == "unverified_user_id"


@pytest.mark.parametrize("as_header", [True, False])
def test_a_valid_token_links_the_browser_to_its_customer(as_header: bool) -> None:
    victim = make_victim()
    source, key = make_browser()
    token = make_token(source, "u1")
    if as_header:
        result = post(key, identify(userId="u1"), **{"X-User-Token": token})
    else:
        result = post(key, identify(userId="u1", context={"userToken": token}))
    assert "warnings" not in result
    assert owner_of(Identifier.Kind.ANONYMOUS_ID, "attacker") == victim.pk
    assert "userToken" not in json.dumps(list(Event.objects.filter(source=source).values_list("context", flat=True)))


def test_the_token_of_another_customer_or_source_is_no_proof() -> None:
    victim = make_victim()
    source, key = make_browser()
    other, _other_key = make_keyed_source("other", kind=Source.Kind.APP)
    for token in (make_token(source, "u2"), make_token(other, "u1")):
        post(key, identify(userId="u1", context={"userToken": token}))
    assert owner_of(Identifier.Kind.ANONYMOUS_ID, "attacker") != victim.pk


def test_an_alias_from_a_browser_joins_no_two_customers() -> None:
    victim = make_victim()
    source, key = make_browser()
    token = make_token(source, "u2")
    post(key, identify(userId="u2", context={"userToken": token}))
    alias = {"type": "alias", "userId": "u2", "previousId": "u1", "context": {"userToken": token}}
    post(key, alias)
    assert owner_of(Identifier.Kind.USER_ID, "u1") == victim.pk
    assert owner_of(Identifier.Kind.USER_ID, "u2") != victim.pk
    result = post(key, {"type": "alias", "userId": "u1", "anonymousId": "attacker", "previousId": "attacker"})
    assert [error["code"] for error in result["errors"]] == ["unverified_user_id"]


def test_a_browser_fills_empty_fields_only_and_the_shop_replaces_them() -> None:
    victim = make_victim()
    source, key = make_browser()
    token = make_token(source, "u1")
    traits = {
        "language": "fr",
        "country": "FR",
        "plan": "none",
        "hobby": "tea",
        "firstName": "Eve",
        "birthday": "1990-01-01",
    }
    post(key, identify(userId="u1", traits=traits, context={"userToken": token}))
    victim.refresh_from_db()
    assert (victim.language, victim.country, victim.name, victim.birthday) == ("de", "FR", "Ana", "")
    assert victim.traits == {"plan": "gold", "hobby": "tea"}
    _server, server_key = make_keyed_source("server-2")
    earlier = {"type": "identify", "userId": "u1", "timestamp": "2026-01-01T00:00:00Z"}
    post(server_key, {**earlier, "traits": {"country": "DE", "hobby": "coffee"}})
    victim.refresh_from_db()
    assert (victim.country, victim.traits["hobby"]) == ("DE", "coffee")


@pytest.mark.parametrize("event", ["Order Completed", "Order Refunded", "Order Cancelled", "Order Updated"])
def test_orders_of_a_browser_are_activity_and_reported(event: str) -> None:
    make_victim()
    _server, server_key = make_keyed_source("server-2")
    order = {
        "order_id": "o-1",
        "total": 20,
        "currency": "EUR",
        "products": [{"product_id": "p1", "price": 20, "quantity": 1}],
    }
    post(server_key, {"type": "track", "event": "Order Completed", "userId": "u1", "properties": order})
    source, key = make_browser()
    item = {"type": "track", "event": event, "userId": "u1", "anonymousId": "attacker"}
    fake = {
        **order,
        "total": 5_000_000,
        "products": [{"product_id": "evil", "name": "Evil", "price": 1, "quantity": 9}],
    }
    result = post(
        key,
        {**item, "properties": fake, "context": {"userToken": make_token(source, "u1")}},
        {**item, "properties": {**fake, "order_id": "o-2"}},
    )
    assert [warning["code"] for warning in result["warnings"]] == ["needs_server_source", "needs_server_source"]
    only = Order.objects.get()
    assert (only.order_id, only.total, only.status) == ("o-1", 20, Order.Status.PLACED)
    assert not Product.objects.filter(product_id="evil").exists()
    assert Event.objects.filter(source=source).count() == 2


def test_reviews_and_unsubscribes_in_the_name_of_others_change_nothing() -> None:
    victim = make_victim()
    make_product("p1")
    _server, server_key = make_keyed_source("server-2")
    review = {"review_id": "r1", "product_id": "p1", "rating": "5"}
    post(server_key, {"type": "track", "event": "Product Reviewed", "userId": "u1", "properties": review})
    source, key = make_browser()
    track = {"type": "track", "anonymousId": "attacker", "userId": "u1"}
    post(
        key,
        {**track, "event": "Product Reviewed", "properties": {**review, "rating": "1"}},
        {**track, "event": "Unsubscribed", "properties": {"email": "ana@shop.example"}},
        {
            "type": "track",
            "anonymousId": "attacker",
            "event": "Unsubscribed",
            "properties": {"email": "ana@shop.example"},
        },
    )
    assert list(Review.objects.filter(review_id="r1").values_list("rating", "customer_id")) == [(5, victim.pk)]
    assert not Consent.objects.exists()
    token = make_token(source, "u1")
    post(key, {**track, "event": "Unsubscribed", "context": {"userToken": token}})
    assert Consent.objects.get().customer_id == victim.pk


def test_an_old_source_without_the_switch_accepts_ids_but_links_no_address() -> None:
    victim = make_victim()
    _source, key = make_browser(requires_user_token=False)
    result = post(key, identify(userId="u1", traits={"email": "eve@shop.example"}))
    assert "warnings" not in result
    assert owner_of(Identifier.Kind.ANONYMOUS_ID, "attacker") == victim.pk
    assert Identifier.objects.filter(kind=Identifier.Kind.EMAIL_HASH).count() == 1


def test_an_expired_token_is_no_proof() -> None:
    victim = make_victim()
    source, key = make_browser()
    token_key = read_token_key(source.sealed_token_key)
    expired = create_user_token(
        key=token_key, user_id="u1", now=datetime.now(UTC) - timedelta(hours=2), lifetime=timedelta(hours=1)
    )
    post(key, identify(userId="u1", context={"userToken": expired}))
    assert owner_of(Identifier.Kind.ANONYMOUS_ID, "attacker") != victim.pk


@pytest.mark.parametrize("is_known", [False, True])
def test_an_order_from_the_server_confirms_the_address_that_a_browser_claimed(is_known: bool) -> None:
    if is_known:
        make_victim()
    address = "ana@shop.example"
    _source, key = make_browser()
    post(key, identify(traits={"email": address}))
    assert Identifier.objects.filter(kind=Identifier.Kind.EMAIL_HASH).exists() == is_known
    _server, server_key = make_keyed_source("server-2")
    order = {"order_id": "o-1", "total": 20, "currency": "EUR", "email": address, "products": []}
    post(
        server_key,
        {"type": "track", "event": "Order Completed", "anonymousId": "attacker", "properties": order},
    )
    visitor_id = owner_of(Identifier.Kind.ANONYMOUS_ID, "attacker")
    owner = Identifier.objects.get(kind=Identifier.Kind.EMAIL_HASH).customer
    # an address that is someone else's stays there, because visitors type addresses into order forms, too
    assert (owner.pk == visitor_id) == (not is_known)
    assert owner.email == address


def test_what_a_browser_links_is_unproven_and_what_a_token_or_the_server_links_is_proven() -> None:
    make_victim()
    source, key = make_browser()
    post(key, identify())
    post(key, identify(anonymousId="with-token", userId="u1", context={"userToken": make_token(source, "u1")}))
    proven = dict(Identifier.objects.values_list("value", "is_proven").exclude(kind=Identifier.Kind.EMAIL_HASH))
    assert proven == {"u1": True, "home": True, "attacker": False, "with-token": True}
