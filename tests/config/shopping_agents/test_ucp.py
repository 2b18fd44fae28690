"""The discovery document and the catalog queries of UCP."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from django.test import Client
from django.utils import timezone

from config.shopping_agents import public_access
from config.shopping_agents.models import AgentFeedSettings
from recommendations.serving.models import Impression
from tests.config.shopping_agents.schemas import (
    UCP_ERROR,
    UCP_GET_PRODUCT,
    UCP_LOOKUP,
    UCP_PROFILE,
)
from tests.makers import make_product

pytestmark = pytest.mark.django_db
URL = {"url": "https://shop.example/p", "image_url": "https://shop.example/p.jpg"}


@pytest.fixture(autouse=True)
def _published(settings: Any) -> None:
    settings.PUBLIC_ATTRIBUTES = ["color", "size"]
    public_access.limiter.__init__()  # type: ignore[misc]
    AgentFeedSettings(is_enabled=True).save()


def post(path: str, body: Any) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post(f"/ucp/catalog/{path}", data, content_type="application/json")


def make_shirts() -> None:
    for number, (color, size, stock) in enumerate([("red", "S", 1), ("red", "M", 0), ("blue", "S", 2)]):
        make_product(f"shirt-{number}", parent_id="shirt", title=f"Shirt {color} {size}", price=Decimal(10 + number),
                     attributes={"color": color, "size": size}, stock=stock, **URL)  # fmt: skip


def test_discovery_document_names_the_catalog_and_no_checkout(client: Client) -> None:
    response = client.get("/.well-known/ucp")
    profile = response.json()
    jsonschema.validate(profile, UCP_PROFILE)
    assert set(profile["ucp"]["capabilities"]) == {"dev.ucp.shopping.catalog.search", "dev.ucp.shopping.catalog.lookup"}
    assert profile["ucp"]["payment_handlers"] == {}
    assert "checkout" not in response.content.decode()
    AgentFeedSettings(is_enabled=False).save()
    assert client.get("/.well-known/ucp").status_code == 404
    assert post("lookup", {"ids": ["a"]}).status_code == 404


def test_lookup_says_which_id_led_to_which_variant_and_which_are_unknown() -> None:
    make_shirts()
    make_product("cup", **URL)
    make_product("hidden", is_active=False, **URL)
    make_product("future", published_at=timezone.now() + timedelta(days=30), **URL)
    found = post("lookup", {"ids": ["shirt", "shirt-1", "cup", "hidden", "nothing", "cup", "future"]}).json()
    jsonschema.validate(found, UCP_LOOKUP)
    inputs = {variant["id"]: variant["inputs"] for product in found["products"] for variant in product["variants"]}
    assert inputs == {
        "shirt-0": [{"id": "shirt", "match": "featured"}],
        "shirt-1": [{"id": "shirt-1", "match": "exact"}],
        "cup": [{"id": "cup", "match": "exact"}],
    }
    assert [message["content"] for message in found["messages"]] == ["hidden", "nothing", "future"]
    assert "product" not in post("product", {"id": "future"}).json()
    shirt = next(product for product in found["products"] if product["id"] == "shirt")
    assert [price["amount"] for price in shirt["price_range"].values()] == [1000, 1200]
    cheap = post("lookup", {"ids": ["cup", "shirt-2"], "filters": {"price": {"max": 1100}}}).json()
    assert [product["id"] for product in cheap["products"]] == ["cup"]


def test_product_says_what_is_available_for_the_chosen_options() -> None:
    make_shirts()
    choice = {"id": "shirt", "selected": [{"name": "color", "label": "blue"}, {"name": "size", "label": "M"}]}
    detail = post("product", {**choice, "preferences": ["color", "size"]}).json()
    jsonschema.validate(detail, UCP_GET_PRODUCT)
    product = detail["product"]
    assert product["selected"] == [
        {"name": "color", "label": "blue"}
    ]  # there is no blue one in M: the last preference goes
    assert [variant["id"] for variant in product["variants"]] == ["shirt-2"]
    values = {
        (option["name"], value["label"]): (value["available"], value["exists"])
        for option in product["options"]
        for value in option["values"]
    }
    assert values["size", "M"] == (False, False)
    assert values["color", "red"] == (True, True)
    assert post("product", {"id": "shirt-1"}).json()["product"]["variants"][0]["id"] == "shirt-1"
    missing = post("product", {"id": "nothing"})
    jsonschema.validate(missing.json(), UCP_ERROR)
    assert (missing.status_code, missing.json()["messages"][0]["severity"]) == (200, "unrecoverable")


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("lookup", {}, "ids"),
        ("lookup", {"ids": []}, "ids"),
        ("lookup", {"ids": [1]}, "ids"),
        ("lookup", {"ids": [f"p{number}" for number in range(51)]}, "the maximum is 50"),
        ("lookup", b"{", "not valid JSON"),
        ("lookup", b"\xff", "not valid JSON"),
        ("lookup", b'{"ids": ' + b"[" * 2000 + b"]" * 2000 + b"}", "nest"),
        ("lookup", {"ids": ["a\0"]}, "NUL"),
        ("product", {"id": ""}, "id"),
        ("search", {"pagination": {"limit": 0}}, "limit"),
        ("search", {"filters": {"price": {"min": -1}}}, "min"),
    ],
)
def test_wrong_request_gets_an_error_that_names_the_field(path: str, body: Any, text: str) -> None:
    response = post(path, body)
    assert response.status_code == 400, response.content
    jsonschema.validate(response.json(), UCP_ERROR)
    assert text in response.json()["messages"][0]["content"]


def test_queries_of_agents_are_no_impressions() -> None:
    make_shirts()
    post("lookup", {"ids": ["shirt"]})
    assert not Impression.objects.exists()
