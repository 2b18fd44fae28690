"""The report of products that events and orders name and the catalog lacks."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from catalog.models import Product
from customers.orders import missing_products
from customers.orders.missing_products import list_missing_products
from tests.config.access.callers import make_client
from tests.customers.processing.event_makers import order, process, product, send, track
from tests.makers import make_product

pytestmark = pytest.mark.django_db
REPORT = "/api/v1/products/missing/"
PAGE = "/admin/orders/order/missing-products/"


@pytest.fixture
def reader(settings: Any, tmp_path: Any) -> Client:
    """Return a client after events have named known and unknown products."""
    settings.WAREHOUSE_URL = str(tmp_path)
    make_product("kettle", sku="S-1")
    make_product("gone", is_active=False)
    view = {"name": "Mug <b>", "product_url": "https://shop.example/mug?visitor=7#x"}
    listed = [{"product_id": name, "name": f"Listed {name}"} for name in ("kettle", "S-1", "gone", "bowl")]
    send(
        track("Product Viewed", {"product_id": "mug", **view}),
        track("Product Viewed", {"product_id": "mug", **view}),
        track("Product List Viewed", {"products": listed}),
        order(products=[product("spoon", name="Spoon"), product("kettle")]),
        at=timezone.now(),
    )
    send(track("Product Viewed", {"product_id": "old"}), at=timezone.now() - timedelta(days=20))
    process(at=timezone.now())
    return make_client("catalog:read")


def get_rows(client: Client, query: str = "") -> list[tuple[Any, ...]]:
    response = client.get(REPORT + query)
    assert response.status_code == 200, response.content
    names = ("product_id", "events", "orders", "name", "url", "is_draft")
    return [tuple(row[name] for name in names) for row in response.json()["results"]]


def test_the_report_names_missing_products_and_drafts_most_frequent_first(reader: Client) -> None:
    assert get_rows(reader) == [
        ("mug", 2, 0, "Mug <b>", "https://shop.example/mug", False),
        ("spoon", 1, 1, "Spoon", "", True),
        ("bowl", 1, 0, "Listed bowl", "", False),
    ]
    assert [row[0] for row in get_rows(reader, "?days=30&limit=2")] == ["mug", "spoon"]
    assert "old" in [row[0] for row in get_rows(reader, "?days=30")]
    problem = reader.get(f"{REPORT}?days=0&limit=x&since=1").json()
    assert {error["field"] for error in problem["errors"]} == {"days", "limit", "since"}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_page_creates_drafts_of_selected_products(reader: Client, client: Client, language: str) -> None:
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    page = client.get(PAGE, headers={"accept-language": language}).content.decode()
    assert "Mug &lt;b&gt;" in page
    assert "visitor=" not in page
    response = client.post(f"{PAGE}?days=7", {"product_id": ["mug", "kettle", "invented"]}, follow=True)
    assert response.status_code == 200
    draft = Product.objects.get(product_id="mug")
    assert (draft.title, draft.is_draft, draft.is_active) == ("Mug <b>", True, False)
    assert not Product.objects.filter(product_id="invented").exists()
    Product.objects.update(is_draft=False)
    make_product("bowl")
    assert "PUT /api" not in client.get(PAGE).content.decode(), "an empty page says what to do"


def test_the_page_and_its_action_require_permissions(client: Client) -> None:
    client.force_login(get_user_model().objects.create_user("clerk", password="x", is_staff=True))
    assert client.get(PAGE).status_code == 403
    assert make_client("orders:read").get(REPORT).status_code == 403


def test_products_counted_earlier_are_left_out_once_the_catalog_knows_them(
    reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    kept: dict[str, Any] = {}
    monkeypatch.setattr(missing_products, "get_figures", lambda key, _kind, count: kept.setdefault(key, count()))
    assert [product.product_id for product in list_missing_products(days=7, as_of=now).products] == [
        "mug",
        "spoon",
        "bowl",
    ]
    make_product("mug")
    Product.objects.create(product_id="bowl", title="A bowl", is_draft=True, is_active=False)
    shown = list_missing_products(days=7, as_of=now + timedelta(minutes=2))
    assert [(product.product_id, product.name, product.is_draft) for product in shown.products] == [
        ("spoon", "Spoon", True), ("bowl", "A bowl", True),
    ]  # fmt: skip
    assert shown.as_of == now
