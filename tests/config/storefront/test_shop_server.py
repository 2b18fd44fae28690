"""The demo shop's server: it makes user tokens and reports orders at catalog prices, and believes no browser."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from config.storefront.keys import ensure_storefront_keys
from config.storefront.shop_server import SERVER_SOURCE
from customers.events.models import Event
from tests.makers import NOON, make_product

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def demo(settings: Any, tmp_path: Path) -> None:
    settings.DEMO, settings.VAR_DIR = True, tmp_path
    ensure_storefront_keys(now=NOON)


def post(name: str, body: Any, content_type: str = "application/json") -> Any:
    data = body if isinstance(body, str) else json.dumps(body)
    return Client().post(f"/shop/{name}/", data, content_type=content_type)


def build_order(**fields: Any) -> dict[str, Any]:
    return {"order_id": "o1", "anonymous_id": "a1", "lines": [{"product_id": "p1", "quantity": 2}], **fields}


def test_an_order_has_the_prices_of_the_catalog_and_comes_from_the_server() -> None:
    make_product("p1", price="4.50", currency="EUR")
    token = post("log-in", {"user_id": "mei"}).json()["user_token"]
    order = build_order(user_id="mei", user_token=token, name="Mei", email="mei@shop.example")
    order["lines"].append({"product_id": "unknown", "quantity": 1})
    assert post("place-order", order).status_code == 200
    assert post("place-order", order).status_code == 200
    event = Event.objects.get(name="Order Completed")
    assert (event.source.key, event.user_id, event.anonymous_id) == (SERVER_SOURCE, "mei", "a1")
    assert (event.properties["total"], event.properties["currency"]) == (9.0, "EUR")
    assert [line["product_id"] for line in event.properties["products"]] == ["p1"]
    assert Event.objects.filter(type="identify", user_id="mei").count() == 1


def test_a_product_id_with_nul_is_left_out_like_any_other_that_the_catalog_lacks() -> None:
    make_product("p1", price="4.50", currency="EUR")
    order = build_order(order_id="o\0", anonymous_id="a\0")
    order["lines"].append({"product_id": "p\0", "quantity": 1})
    assert post("place-order", order).status_code == 200
    event = Event.objects.get(name="Order Completed")
    assert [line["product_id"] for line in event.properties["products"]] == ["p1"]


def test_a_guest_who_types_an_address_is_not_identified_by_it() -> None:
    make_product("p1", price="4.50", currency="EUR")
    assert post("place-order", build_order(email="ana@shop.example")).status_code == 200
    assert not Event.objects.filter(type="identify").exists()


def test_an_order_for_a_customer_needs_their_token() -> None:
    other = post("log-in", {"user_id": "ana"}).json()["user_token"]
    for token in ("", "1.2", other):
        assert post("place-order", build_order(user_id="mei", user_token=token)).status_code == 403
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("name", "body"),
    [("log-in", "{"), ("log-in", {}), ("log-in", {"user_id": " "}), ("log-in", {"user_id": "x", "admin": True}),
     ("place-order", {"order_id": "o1"}), ("place-order", "[" * 500)],
)  # fmt: skip
def test_an_invalid_body_is_named(name: str, body: Any) -> None:
    response = post(name, body)
    assert response.status_code == 400
    assert response.json()["detail"]


def test_a_form_of_another_site_cannot_place_an_order() -> None:
    assert post("place-order", json.dumps(build_order()), content_type="text/plain").status_code == 415


def test_without_demo_mode_there_is_no_server(settings: Any) -> None:
    settings.DEMO = False
    assert post("log-in", {"user_id": "mei"}).status_code == 404
