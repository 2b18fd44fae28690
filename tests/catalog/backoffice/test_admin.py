"""Admin pages of products, categories and feed imports."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.backoffice.resources import ProductResource
from catalog.models import Category, FeedImport, Product
from catalog.upsert import upsert_products
from config.foundation.shop.profile import get_shop

NOW = datetime(2026, 11, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client, settings: Any, tmp_path: Path) -> Client:
    settings.EXPORTS_DIR = tmp_path
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    upsert_products(
        items=[
            {"product_id": "a/1", "title": "蓝色水壶", "category": "厨房 > 水壶", "brand": "Acme", "price": "19.90"},
            {"product_id": "b", "title": "Pan", "category": "厨房", "sku": "SKU-77", "availability": "preorder"},
        ],
        at=NOW,
        currency="EUR",
    )
    return client


def get(client: Client, name: str, *args: Any, **query: Any) -> str:
    response = client.get(reverse(f"admin:catalog_{name}", args=args), query)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize(
    "name",
    [
        "product_changelist",
        "product_add",
        "product_export",
        "category_changelist",
        "category_add",
        "feedimport_changelist",
    ],
)
def test_every_page_answers(boss: Client, name: str, language: str) -> None:
    boss.cookies["django_language"] = language
    assert get(boss, name)


@pytest.mark.parametrize("text", ["水壶", "a/1", "acme"])
def test_search_finds_products_by_id_title_and_brand(boss: Client, text: str) -> None:
    page = get(boss, "product_changelist", q=text)
    assert "蓝色水壶" in page
    assert "SKU-77" not in page
    assert ">Pan<" not in page


def test_search_finds_products_by_sku(boss: Client) -> None:
    assert "Pan" in get(boss, "product_changelist", q="sku-77")


def test_products_are_filtered(boss: Client) -> None:
    page = get(boss, "product_changelist", availability__exact="preorder")
    assert "Pan" in page
    assert "蓝色水壶" not in page
    kitchen = Category.objects.get(path="厨房 > 水壶").pk
    assert "蓝色水壶" in get(boss, "product_changelist", category__id__exact=kitchen)


def test_the_product_list_needs_the_same_number_of_queries_for_fifty_as_for_two(
    boss: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(30) as few:
        get(boss, "product_changelist")
    items = [{"product_id": f"x{n}", "title": "T", "category": f"C{n}"} for n in range(48)]
    upsert_products(items=items, at=NOW, currency="EUR")
    with django_assert_max_num_queries(len(few)):
        get(boss, "product_changelist")


def test_a_product_page_links_to_similar_products_when_such_a_page_exists(boss: Client) -> None:
    page = get(boss, "product_change", Product.objects.get(product_id="a/1").pk)
    assert "蓝色水壶" in page
    assert "/similar/a/1/" in page


def test_the_actions_deactivate_and_activate_products(boss: Client) -> None:
    pks = list(Product.objects.values_list("pk", flat=True))
    for action, active in (("deactivate", False), ("activate", True)):
        boss.post(reverse("admin:catalog_product_changelist"), {"action": action, "_selected_action": pks})
        assert set(Product.objects.values_list("is_active", flat=True)) == {active}
    assert all(moment > NOW for moment in Product.objects.values_list("updated_at", flat=True))


def test_renaming_a_category_updates_the_paths_below_it(boss: Client) -> None:
    kitchen = Category.objects.get(path="厨房")
    response = boss.post(
        reverse("admin:catalog_category_change", args=[kitchen.pk]),
        {"name": "Kitchen", "slug": "kitchen", "parent": ""},
    )
    assert response.status_code == 302
    assert set(Category.objects.values_list("path", flat=True)) == {"Kitchen", "Kitchen > 水壶"}


def test_renaming_or_deleting_a_category_marks_its_products_as_changed(boss: Client) -> None:
    kitchen, kettles = Category.objects.order_by("path")
    started_at = timezone.now()
    boss.post(
        reverse("admin:catalog_category_change", args=[kitchen.pk]),
        {"name": "Kitchen", "slug": "kitchen", "parent": ""},
    )
    assert Product.objects.filter(updated_at__gte=started_at).count() == 2
    renamed_at = timezone.now()
    boss.post(reverse("admin:catalog_category_delete", args=[kettles.pk]), {"post": "yes"})
    changed = Product.objects.filter(updated_at__gte=renamed_at)
    assert list(changed.values_list("product_id", "category")) == [("a/1", None)]
    boss.post(
        reverse("admin:catalog_category_changelist"),
        {"action": "delete_selected", "_selected_action": [kitchen.pk], "post": "yes"},
    )
    assert not Category.objects.exists()
    assert changed.count() == 2


@pytest.mark.parametrize(("name", "below"), [("A > B", False), ("厨房", True), ("x" * 201, False)])
def test_a_category_cannot_break_the_tree(boss: Client, name: str, below: bool) -> None:
    kitchen, kettles = Category.objects.order_by("path")
    data = {"name": name, "slug": "s", "parent": kettles.pk if below else ""}
    response = boss.post(reverse("admin:catalog_category_change", args=[kitchen.pk]), data)
    assert response.status_code == 200
    assert set(Category.objects.values_list("path", flat=True)) == {"厨房", "厨房 > 水壶"}


@pytest.mark.parametrize(
    "address",
    [
        "/admin/catalog/feedimport/upload/",
        "/admin/catalog/feedimport/7/confirm/",
        "/admin/catalog/product/import/",
        "/admin/catalog/product/process_import/",
    ],
)
def test_earlier_upload_pages_lead_to_the_import_wizard(boss: Client, address: str) -> None:
    for response in (boss.get(address), boss.post(address)):
        assert response.headers["Location"] == reverse("imports:new", args=["products"])


def test_rejected_rows_of_a_feed_are_downloaded_only_with_permission(
    boss: Client, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "rejected.csv"
    path.write_text("line,field\n4,product_id\n")
    record = FeedImport.objects.create(file_name="feed.csv", started_at=NOW, error_file=str(path), problems={"x": 1})
    address = reverse("admin:catalog_feedimport_errors", args=[record.pk])
    assert address in get(boss, "feedimport_change", record.pk)
    assert b"4,product_id" in b"".join(boss.get(address).streaming_content)  # type: ignore[attr-defined]
    client.force_login(get_user_model().objects.create_user("reader", password="x", is_staff=True))
    assert client.get(address).status_code == 403


def test_an_export_has_categories_as_paths(boss: Client) -> None:
    exported = ProductResource().export().csv
    assert "蓝色水壶" in exported
    assert "厨房 > 水壶" in exported


def test_a_negative_price_is_refused_at_its_field_and_a_price_without_currency_is_in_that_of_the_shop(
    boss: Client,
) -> None:
    address = reverse("admin:catalog_product_add")
    form = {
        "product_id": "c",
        "title": "Pot",
        "availability": "in_stock",
        "attributes": "{}",
        "price": "-1",
        "cost": "-2",
    }
    response = boss.post(address, form)
    assert set(response.context["adminform"].form.errors) == {"price", "cost"}
    assert boss.post(address, {**form, "price": "3", "cost": ""}).status_code == 302
    assert Product.objects.values_list("price", "currency").get(product_id="c") == (3, get_shop().currency)
