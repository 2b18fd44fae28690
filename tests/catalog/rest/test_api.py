"""The REST endpoints of the catalog."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from catalog.models import Product
from catalog.upsert import upsert_products
from tests.config.access.callers import make_client

NOW = datetime(2026, 11, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(client: Client) -> Client:
    """Return the client of a superuser, with four products."""
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    items: list[dict[str, Any]] = [
        {
            "product_id": "a/1",
            "title": "Blue kettle",
            "category": "Kitchen > Kettles",
            "brand": "Acme",
            "price": "19.90",
        },
        {"product_id": "b", "title": "Pan", "category": "Kitchen", "brand": "Acme", "price": "30", "is_active": False},
        {"product_id": "c", "title": "电水壶", "category": "Kitchenware", "price": "5", "availability": "out of stock"},
        {"product_id": "d", "title": "BLUE lamp"},
    ]
    upsert_products(items=items, at=NOW, currency="EUR")
    return client


def ids(client: Client, query: str) -> list[str]:
    answer = client.get(f"/api/v1/products/?{query}")
    assert answer.status_code == 200, answer.content
    return [row["product_id"] for row in answer.json()["results"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a/1", "b", "c", "d"]),
        ("category=Kitchen", ["a/1", "b"]),
        ("category=Kitchen>Kettles", ["a/1"]),
        ("category=Nowhere", []),
        ("brand=Acme", ["a/1", "b"]),
        ("availability=out_of_stock", ["c"]),
        ("is_active=true", ["a/1", "c", "d"]),
        ("is_active=false", ["b"]),
        ("price_min=19.9&price_max=29", ["a/1"]),
        ("updated_after=2026-10-31T23:00:00Z", ["a/1", "b", "c", "d"]),
        ("updated_after=2026-11-01T00:00:00Z", []),
        ("q=blue", ["a/1", "d"]),
        ("q=电", ["c"]),
        ("q=ettle", []),
    ],
)
def test_the_list_is_filtered(shop: Client, query: str, found: list[str]) -> None:
    assert ids(shop, query) == found


@pytest.mark.parametrize(
    "query", ["availability=perhaps", "price_min=cheap", "updated_after=yesterday", "category=" + "x" * 1001]
)
def test_an_invalid_parameter_is_named(shop: Client, query: str) -> None:
    answer = shop.get(f"/api/v1/products/?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(query.partition("=")[0])


def test_a_reversed_range_is_refused(shop: Client) -> None:
    answer = shop.get("/api/v1/products/?price_min=10&price_max=5")
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["field"], error["message"]) == ("price_min", "10 is greater than price_max 5.")
    assert ids(shop, "price_min=19.90&price_max=19.9") == ["a/1"]


def test_all_wrong_parameters_are_named_at_once(shop: Client) -> None:
    problem = shop.get(
        "/api/v1/products/?availability=perhaps&price_min=cheap&limit=0&colour=red&brand=a&brand=b"
    ).json()
    named = {error["field"] for error in problem["errors"]}
    assert named == {"availability", "price_min", "limit", "colour", "brand"}


def test_the_product_list_needs_two_queries_besides_the_session(shop: Client, django_assert_num_queries: Any) -> None:
    # session, user, products with their categories
    with django_assert_num_queries(3):
        assert len(ids(shop, "limit=3")) == 3


def test_the_category_list_needs_one_query_besides_the_session(shop: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(3):
        answer = shop.get("/api/v1/categories/")
    assert [(row["path"], row["parent"], row["product_count"]) for row in answer.json()["results"]] == [
        ("Kitchen", None, 0),
        ("Kitchen > Kettles", "Kitchen", 1),
        ("Kitchenware", None, 1),
    ]


@pytest.mark.parametrize("address", ["a/1", quote("a/1", safe="")])
def test_a_product_id_may_contain_a_slash(shop: Client, address: str) -> None:
    answer = shop.get(f"/api/v1/products/{address}/").json()
    assert (answer["product_id"], answer["category"], answer["price"]) == ("a/1", "Kitchen > Kettles", "19.90")
    assert answer["attributes"] == {}


def test_only_secret_keys_read_and_write_the_cost_of_a_product(shop: Client) -> None:
    written = put(shop, {"products": [{"product_id": "a/1", "title": "Blue kettle", "cost": "7.5"}]})
    assert written.json()["updated"] == 1
    assert shop.get("/api/v1/products/a/1/").json()["cost"] == "7.50"
    browser = make_client(kind="publishable")
    assert browser.get("/api/v1/products/a/1/").status_code == 403
    assert browser.get("/api/v1/products/").status_code == 403


def test_an_unknown_product_is_not_found(shop: Client) -> None:
    assert shop.get("/api/v1/products/none/").status_code == 404


def put(client: Client, body: object) -> Any:
    return client.put("/api/v1/products/", body, content_type="application/json")


def test_a_product_whose_url_is_another_endpoint_is_rejected(shop: Client) -> None:
    names = ("missing", "vectors", "missing-2")
    answer = put(shop, {"products": [{"product_id": name, "title": "Tea"} for name in names]}).json()
    codes = [[(error["field"], error["code"]) for error in result["errors"]] for result in answer["results"]]
    assert codes == [[("product_id", "reserved")], [("product_id", "reserved")], []]


def test_put_returns_a_result_for_each_item(shop: Client) -> None:
    answer = put(
        shop,
        {
            "products": [
                {"product_id": "new", "title": "新品", "price": 9.5, "attributes": {"a": [1]}, "tags": ["t"]},
                {"product_id": "d", "title": "Lamp"},
                {"product_id": "b", "title": "Pan"},
                {"product_id": "x", "title": "X", "price": -1, "colour": "red"},
            ]
        },
    )
    assert answer.status_code == 200
    body = answer.json()
    assert [body[name] for name in ("created", "updated", "unchanged", "rejected")] == [1, 1, 1, 1]
    assert [(one["index"], one["product_id"], one["status"]) for one in body["results"]] == [
        (0, "new", "created"),
        (1, "d", "updated"),
        (2, "b", "unchanged"),
        (3, "x", "rejected"),
    ]
    assert {(error["field"], error["code"]) for error in body["results"][3]["errors"]} == {
        ("price", "negative"),
        ("colour", "unknown_field"),
    }
    product = Product.objects.get(product_id="new")
    assert (product.title, product.currency) == ("新品", "USD")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"products": "x"},
        {"products": ["x"]},
        {"products": [{"product_id": str(n), "title": "T"} for n in range(1001)]},
    ],
)
def test_a_body_of_the_wrong_shape_is_rejected_as_a_whole(shop: Client, body: object) -> None:
    assert put(shop, body).status_code == 400
    assert Product.objects.count() == 4


def test_reading_and_writing_require_a_key(client: Client) -> None:
    assert client.get("/api/v1/products/").status_code in (401, 403)
    assert put(client, {"products": []}).status_code in (401, 403)


def patch(client: Client, product_id: str, body: object) -> Any:
    return client.patch(f"/api/v1/products/{product_id}/", body, content_type="application/json")


def test_patch_changes_only_the_given_fields(shop: Client) -> None:
    answer = patch(shop, "a/1", {"stock": 3, "price": "21.5"})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["product_id"], body["stock"], body["price"]) == ("a/1", 3, "21.50")
    assert (body["title"], body["category"], body["brand"], body["currency"]) == (
        "Blue kettle",
        "Kitchen > Kettles",
        "Acme",
        "EUR",
    )
    assert patch(shop, "a/1", {}).json()["stock"] == 3


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({"price": -1, "title": "", "colour": "red"}, {"price", "title", "colour"}),
        ({"product_id": "b"}, {"product_id"}),
        ([1], {None}),
    ],
)
def test_patch_names_every_invalid_field(shop: Client, body: object, problems: set[str | None]) -> None:
    answer = patch(shop, "a/1", body)
    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == problems
    assert Product.objects.get(product_id="a/1").title == "Blue kettle"


def test_patch_activates_a_draft_without_replacing_it(shop: Client) -> None:
    Product.objects.create(product_id="new", title="Mug", brand="Acme", is_draft=True, is_active=False)
    assert patch(shop, "new", {"stock": 1}).json()["is_draft"] is True
    body = patch(shop, "new", {"is_active": True}).json()
    assert (body["is_draft"], body["is_active"], body["title"], body["brand"]) == (False, True, "Mug", "Acme")


def test_a_product_is_changed_and_deactivated_only_if_it_is_the_one_that_if_match_names(shop: Client) -> None:
    address = "/api/v1/products/d/"

    def send(method: str, tag: str) -> int:
        body = {} if method == "delete" else {"data": {"stock": 3}, "content_type": "application/json"}
        return getattr(shop, method)(address, headers={"if-match": tag}, **body).status_code

    read = shop.get(address, headers={"accept-encoding": "gzip"})["ETag"]
    assert [send(method, '"nope"') for method in ("patch", "delete")] == [412, 412]
    assert Product.objects.filter(product_id="d", stock=None, is_active=True).exists()
    assert [send("patch", read), send("patch", read)] == [200, 412]
    assert send("patch", f'"nope", {shop.get(address)["ETag"]}') == 200
    assert [send("delete", read), send("delete", "*")] == [412, 204]
    assert not Product.objects.get(product_id="d").is_active


def test_delete_deactivates_and_can_be_repeated(shop: Client) -> None:
    assert [shop.delete("/api/v1/products/a/1/").status_code for _ in range(2)] == [204, 204]
    assert Product.objects.get(product_id="a/1").is_active is False
    assert shop.delete("/api/v1/products/none/").status_code == 404
    assert patch(shop, "none", {"stock": 1}).status_code == 404


def test_a_put_says_how_many_products_stay_inactive(shop: Client) -> None:
    shop.delete("/api/v1/products/a/1/")
    items = [
        {"product_id": "a/1", "title": "Blue kettle 2"},
        {"product_id": "b", "is_active": False},
        {"product_id": "d"},
    ]
    body = put(shop, {"products": items}).json()
    assert (body["updated"], body["inactive"]) == (1, 1)
    assert Product.objects.get(product_id="a/1").is_active is False
    body = put(shop, {"products": [{**items[0], "is_active": True}]}).json()
    assert (body["updated"], body["inactive"]) == (1, 0)
    assert Product.objects.get(product_id="a/1").is_active is True


def test_changing_and_deleting_a_product_requires_the_scope_to_write(shop: Client) -> None:
    reader = make_client("catalog:read")
    assert reader.get("/api/v1/products/a/1/").status_code == 200
    assert reader.delete("/api/v1/products/a/1/").status_code == 403
    assert patch(reader, "a/1", {"stock": 1}).status_code == 403
    assert patch(make_client("catalog:write"), "a/1", {"stock": 1}).status_code == 200


def test_a_product_is_found_by_its_sku_unless_several_have_it(shop: Client) -> None:
    put(
        shop,
        {
            "products": [
                {"product_id": "b", "sku": "S-1"},
                {"product_id": "c", "sku": "S-2"},
                {"product_id": "d", "sku": "S-2"},
                {"product_id": "a/1", "sku": "b"},
            ]
        },
    )
    assert ids(shop, "sku=S-2") == ["c", "d"]
    assert shop.get("/api/v1/products/S-1/").json()["product_id"] == "b"
    assert shop.get("/api/v1/products/b/").json()["product_id"] == "b"
    assert shop.get("/api/v1/products/S-2/").status_code == 404
