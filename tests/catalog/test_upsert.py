"""Products are created and updated in bulk."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.bulk_results import BulkResult
from catalog.models import Category, Product
from catalog.upsert import upsert_products

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LATER = datetime(2026, 11, 2, tzinfo=UTC)


def upsert(*items: dict[str, Any], at: datetime = NOW, **options: Any) -> BulkResult:
    return upsert_products(items=items, at=at, currency="EUR", **options)


def counts(result: BulkResult) -> tuple[int, int, int, int]:
    return result.created, result.updated, result.unchanged, result.rejected


def codes(result: BulkResult) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for one in result.results for problem in one.problems]


def test_every_field_of_an_item_is_stored() -> None:
    result = upsert(
        {
            "product_id": "shoe/42",
            "parent_id": "shoe",
            "sku": "S-42",
            "title": "跑步鞋 “Sprint”",
            "description": "Leicht & schnell",
            "category": "Sport>Running  > Shoes",
            "brand": "Ünder",
            "price": "79.9",
            "currency": "chf",
            "cost": "31.5",
            "availability": "In Stock",
            "stock": "12",
            "image_url": "https://shop.example/i/42.jpg",
            "url": "https://shop.example/p/42?a=1",
            "attributes": {"color": "蓝"},
            "tags": ["new", "new", "run"],
            "published_at": "2026-05-01T12:00:00+02:00",
            "is_active": False,
        }
    )
    assert counts(result) == (1, 0, 0, 0)
    product = Product.objects.select_related("category").get()
    assert (product.product_id, product.title, product.brand) == ("shoe/42", "跑步鞋 “Sprint”", "Ünder")
    assert product.parent_id == "shoe"
    assert product.category is not None
    assert product.category.path == "Sport > Running > Shoes"
    assert (product.price, product.currency, product.cost) == (Decimal("79.90"), "CHF", Decimal("31.50"))
    assert (product.availability, product.stock, product.is_active) == ("in_stock", 12, False)
    assert (product.attributes, product.tags) == ({"color": "蓝"}, ["new", "run"])
    assert product.published_at == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert product.created_at == product.updated_at == NOW


def test_writing_the_same_items_again_changes_nothing() -> None:
    items = [{"product_id": f"p{n}", "title": f"T{n}", "price": "1.50", "category": "A > B"} for n in range(50)]
    assert counts(upsert(*items)) == (50, 0, 0, 0)
    assert counts(upsert(*items, at=LATER)) == (0, 0, 50, 0)
    assert set(Product.objects.values_list("updated_at", flat=True)) == {NOW}


def test_only_changed_products_are_updated() -> None:
    upsert({"product_id": "a", "title": "A"}, {"product_id": "b", "title": "B"})
    result = upsert({"product_id": "a", "title": "A2"}, {"product_id": "b", "title": "B"}, at=LATER)
    assert [one.status for one in result.results] == ["updated", "unchanged"]
    assert dict(Product.objects.values_list("product_id", "updated_at")) == {"a": LATER, "b": NOW}


def test_missing_fields_keep_their_value_and_null_clears_it() -> None:
    upsert({"product_id": "a", "title": "A", "brand": "X", "price": 3, "stock": 5, "category": "C", "tags": ["t"]})
    upsert(
        {"product_id": "a", "title": "A", "stock": None, "category": None, "tags": None},
        {"product_id": "b", "title": "B", "brand": "Y"},
    )
    a, b = Product.objects.order_by("product_id")
    assert (a.brand, a.price, a.stock, a.category, a.tags) == ("X", Decimal(3), None, None, [])
    assert (b.brand, b.availability, b.is_active, b.attributes) == ("Y", "in_stock", True, {})


def test_the_first_of_two_equal_ids_wins() -> None:
    result = upsert({"product_id": "a", "title": "first"}, {"product_id": " a ", "title": "second"})
    assert counts(result) == (1, 0, 0, 1)
    assert codes(result) == [("product_id", "duplicate")]
    assert Product.objects.get().title == "first"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("product_id", "", "required"),
        ("product_id", None, "required"),
        ("product_id", "a\nb", "bad_characters"),
        ("product_id", "x" * 201, "too_long"),
        ("title", "  ", "required"),
        ("title", "x" * 501, "too_long"),
        ("title", "NUL\x00", "bad_characters"),
        ("title", "half \ud800", "bad_characters"),
        ("title", ["a"], "not_text"),
        ("price", "-1", "negative"),
        ("price", "cheap", "not_a_number"),
        ("price", "NaN", "not_a_number"),
        ("price", True, "not_a_number"),
        ("price", "1.999", "too_many_decimals"),
        ("price", "1e30", "too_large"),
        ("cost", "-0.01", "negative"),
        ("cost", "dear", "not_a_number"),
        ("currency", "EURO", "unknown_currency"),
        ("currency", "QQQ", "unknown_currency"),
        ("availability", "maybe", "unknown_availability"),
        ("stock", "1.5", "too_many_decimals"),
        ("stock", 2**31, "too_large"),
        ("url", "shop.example/x", "bad_url"),
        ("url", "javascript:alert(1)", "bad_url"),
        ("image_url", "https://", "bad_url"),
        ("image_url", "https://[", "bad_url"),
        ("attributes", ["a"], "not_an_object"),
        ("attributes", {"a": float("inf")}, "bad_json"),
        ("attributes", {"a": "\x00"}, "bad_characters"),
        ("tags", 5, "not_a_list"),
        ("published_at", "yesterday", "bad_time"),
        ("is_active", "perhaps", "not_a_boolean"),
        ("colour", "blue", "unknown_field"),
        ("category", "x" * 201, "too_long"),
    ],
)
def test_an_invalid_value_rejects_only_its_item(field: str, value: object, code: str) -> None:
    wrong = {"product_id": "bad", "title": "Bad", field: value}
    result = upsert({"product_id": "good", "title": "Good"}, wrong)
    assert codes(result) == [(field, code)]
    assert list(Product.objects.values_list("product_id", flat=True)) == ["good"]


def test_every_invalid_field_of_an_item_is_named() -> None:
    result = upsert({"product_id": "", "price": "-1", "url": "x"})
    assert {field for field, _ in codes(result)} == {"product_id", "title", "price", "url"}


def test_a_dry_run_counts_and_writes_nothing() -> None:
    upsert({"product_id": "a", "title": "A"})
    result = upsert(
        {"product_id": "a", "title": "A2"}, {"product_id": "b", "title": "B", "category": "New"}, dry_run=True
    )
    assert counts(result) == (1, 1, 0, 0)
    assert Product.objects.get().title == "A"
    assert not Category.objects.exists()


def test_a_price_without_a_currency_gets_the_default_currency() -> None:
    upsert({"product_id": "a", "title": "A", "price": 2.5, "currency": ""})
    assert Product.objects.get().currency == "EUR"


def test_categories_are_created_once_with_their_parents() -> None:
    upsert(
        {"product_id": "a", "title": "A", "category": "厨房 > 水壶"},
        {"product_id": "b", "title": "B", "category": "厨房"},
    )
    upsert({"product_id": "c", "title": "C", "category": "厨房 > 水壶 > 电"})
    tree = {c.path: (c.name, c.parent.path if c.parent else None) for c in Category.objects.select_related("parent")}
    assert tree == {
        "厨房": ("厨房", None),
        "厨房 > 水壶": ("水壶", "厨房"),
        "厨房 > 水壶 > 电": ("电", "厨房 > 水壶"),
    }


def test_categories_whose_names_give_the_same_slug_get_different_slugs() -> None:
    upsert(
        {"product_id": "a", "title": "A", "category": "Home > A & B"},
        {"product_id": "b", "title": "B", "category": "Home > A B"},
        {"product_id": "c", "title": "C", "category": "Home > !!!"},
    )
    slugs = Category.objects.filter(parent__isnull=False).values_list("slug", flat=True)
    assert len(set(slugs)) == 3


def test_an_empty_list_gives_an_empty_result() -> None:
    assert counts(upsert()) == (0, 0, 0, 0)


def test_the_number_of_statements_does_not_grow_with_the_items() -> None:
    def statements(size: int, prefix: str) -> int:
        items = [{"product_id": f"{prefix}{n}", "title": "T", "category": f"{prefix} > {n % 7}"} for n in range(size)]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            upsert(*items)
        return len(captured)

    assert statements(10, "a") == statements(500, "b")


def test_a_partial_item_changes_only_its_fields() -> None:
    upsert({"product_id": "a", "title": "A", "price": "5", "currency": "GBP", "tags": ["t"], "is_active": False})
    result = upsert({"product_id": "a", "stock": 3, "price": "6"}, {"product_id": "a", "title": "A2"}, at=LATER)
    assert [one.status for one in result.results] == ["updated", "rejected"]
    product = Product.objects.get()
    assert (product.title, product.stock, product.price, product.currency) == ("A", 3, Decimal("6.00"), "GBP")
    assert (product.tags, product.is_active, product.updated_at) == (["t"], False, LATER)


def test_a_partial_item_of_an_unknown_product_names_what_is_missing() -> None:
    result = upsert(
        {"product_id": "x", "stock": "many"}, {"product_id": "x", "stock": 3}, {"product_id": "y", "title": ""}
    )
    assert codes(result) == [
        ("stock", "not_a_number"),
        ("title", "required"),
        ("title", "required"),
        ("title", "required"),
    ]
    assert not Product.objects.exists()


def test_an_item_replaces_every_field_of_a_draft() -> None:
    draft = {"title": "Visit evil.example", "brand": "Evil", "price": 1, "currency": "USD", "is_active": False}
    Product.objects.create(product_id="a", is_draft=True, **draft)
    Product.objects.create(product_id="b", is_draft=True, **draft)
    assert codes(upsert({"product_id": "a", "stock": 3})) == [("title", "required")]
    assert counts(upsert({"product_id": "a", "title": "Kettle"}, {"product_id": "b", "title": "Pot", "stock": 1})) == (
        0,
        2,
        0,
        0,
    )
    product = Product.objects.get(product_id="a")
    assert (product.title, product.brand, product.price, product.currency) == ("Kettle", "", None, "")
    assert (product.is_draft, product.is_active) == (False, True)
