"""The privacy webhooks of Shopify: signed, safe against repetition, and never erasing a whole shop by themselves."""

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

import pytest
from django.test import Client

from customers.identity.models import Customer, Identifier
from customers.privacy.models import PrivacyRequest, PrivacySettings
from tests.makers import make_customer, make_identifier

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("eager_tasks", "export_folder")]
SECRET = "shpss_0123456789"
CUSTOMER = {"id": 191167, "email": "john@example.com", "phone": "555-625-1199"}
SHOP = {"shop_id": 954889, "shop_domain": "shop.myshopify.com"}


@pytest.fixture(autouse=True)
def secret() -> None:
    PrivacySettings(shopify_secret=SECRET).save()


@pytest.fixture
def john() -> Customer:
    customer = make_customer("191167", email="john@example.com", name="John")
    return make_identifier(customer, "device-1", kind=Identifier.Kind.DEVICE_ID).customer


def send(topic: str, body: dict[str, Any], *, secret: str = SECRET, signature: str = "") -> Any:
    content = json.dumps(body).encode()
    signature = signature or base64.b64encode(hmac.new(secret.encode(), content, sha256).digest()).decode()
    headers = {"X-Shopify-Topic": topic, "X-Shopify-Hmac-Sha256": signature}
    return Client().post("/webhooks/shopify/privacy/", content, content_type="application/json", headers=headers)


def test_wrong_signatures_topics_and_bodies_open_nothing(john: Customer) -> None:
    body = {**SHOP, "customer": CUSTOMER, "orders_to_redact": [299938]}
    assert send("customers/redact", body, secret="another").status_code == 401
    assert send("customers/redact", body, signature="é").status_code == 401
    assert send("orders/create", body).status_code == 400
    assert send("customers/redact", {"shop_id": "text"}).status_code == 400
    assert Client().get("/webhooks/shopify/privacy/").status_code == 405
    PrivacySettings(shopify_secret="").save()
    assert send("customers/redact", body, secret="").status_code == 401, "without a secret, nobody can sign"
    assert not PrivacyRequest.objects.exists()


def test_a_customer_is_exported_and_scheduled_for_erasure_once(john: Customer) -> None:
    request = {**SHOP, "customer": CUSTOMER, "orders_requested": [299938], "data_request": {"id": 9999}}
    redact = {**SHOP, "customer": CUSTOMER, "orders_to_redact": [299938]}
    for topic, body in (("customers/data_request", request), ("customers/redact", redact)) * 2:
        assert send(topic, body).status_code == 200
    access, erasure = PrivacyRequest.objects.order_by("pk")
    assert (access.kind, access.state, access.email) == ("access", "done", "")
    assert access.exports.get().rows >= 0
    assert (erasure.kind, erasure.customer, erasure.proof) == ("erasure", john, "platform")
    assert erasure.runs_at is not None


def test_unknown_customers_and_whole_shops_wait_for_an_officer() -> None:
    assert send("customers/redact", {**SHOP, "customer": {"id": 1, "email": "x@example.com"}}).status_code == 200
    assert send("shop/redact", SHOP).status_code == 200
    unknown, shop = PrivacyRequest.objects.order_by("pk")
    assert (unknown.customer, unknown.runs_at) == (None, None)
    assert (shop.customer, shop.runs_at, shop.result) == (None, None, {"scope": "shop"})
