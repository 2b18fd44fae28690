"""Admin pages of products, categories and feed imports."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from tablib import Dataset

from catalog.backoffice.resources import ProductResource
from catalog.feeds.uploads import FEED_UPLOADS
from catalog.models import Category, FeedImport, Product
from catalog.upsert import upsert_products

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
        "product_import",
        "product_export",
        "category_changelist",
        "category_add",
        "feedimport_changelist",
        "feedimport_upload",
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


@pytest.mark.parametrize(("name", "below"), [("A > B", False), ("厨房", True), ("x" * 201, False)])
def test_a_category_cannot_break_the_tree(boss: Client, name: str, below: bool) -> None:
    kitchen, kettles = Category.objects.order_by("path")
    data = {"name": name, "slug": "s", "parent": kettles.pk if below else ""}
    response = boss.post(reverse("admin:catalog_category_change", args=[kitchen.pk]), data)
    assert response.status_code == 200
    assert set(Category.objects.values_list("path", flat=True)) == {"厨房", "厨房 > 水壶"}


def upload(client: Client, text: str, **options: str) -> FeedImport:
    data = {"file": SimpleUploadedFile("商品.csv", text.encode()), "currency": "EUR", "missing": "keep", **options}
    response = client.post(reverse("admin:catalog_feedimport_upload"), data)
    assert response.status_code == 302, response.content.decode()
    return FeedImport.objects.latest("id")


def test_an_uploaded_feed_runs_as_a_dry_run_before_it_is_confirmed(boss: Client) -> None:
    dry_run = upload(boss, "id,title\nb,Pan 2\nc,新品\n,x\n")
    assert (dry_run.dry_run, dry_run.created, dry_run.updated, dry_run.rejected) == (True, 1, 1, 1)
    assert Product.objects.count() == 2
    page = get(boss, "feedimport_change", dry_run.pk)
    confirm = reverse("admin:catalog_feedimport_confirm", args=[dry_run.pk])
    assert confirm in page
    assert "product_id: required" in page

    response = boss.post(confirm)
    record = FeedImport.objects.latest("id")
    assert response.status_code == 302
    assert (record.dry_run, record.created, record.updated, record.error) == (False, 1, 1, "")
    assert Product.objects.get(product_id="c").title == "新品"
    assert confirm not in get(boss, "feedimport_change", dry_run.pk), "the file is deleted after its import"
    errors = boss.get(reverse("admin:catalog_feedimport_errors", args=[record.pk]))
    assert b"4,product_id" in b"".join(errors.streaming_content)  # type: ignore[attr-defined]


def test_an_unreadable_upload_shows_its_error_and_cannot_be_confirmed(boss: Client) -> None:
    dry_run = upload(boss, "price\n1\n")
    assert "Missing column for product_id" in dry_run.error
    page = get(boss, "feedimport_change", dry_run.pk)
    assert "Missing column for product_id" in page
    boss.post(reverse("admin:catalog_feedimport_confirm", args=[dry_run.pk]))
    assert FeedImport.objects.count() == 1


def test_a_large_upload_goes_to_a_worker(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    monkeypatch.setattr("config.foundation.uploads.MAX_INLINE_BYTES", 10)
    monkeypatch.setattr("catalog.backoffice.pages.import_uploaded_feed.delay", started.append)
    record = upload(boss, "id,title\nb,Pan 2\n")
    assert started == [record.pk]
    assert record.finished_at is None


def test_uploading_requires_permission_to_change_products(client: Client) -> None:
    client.force_login(get_user_model().objects.create_user("reader", password="x", is_staff=True))
    assert client.get(reverse("admin:catalog_feedimport_upload")).status_code == 403


def test_unconfirmed_uploads_are_deleted_after_a_week(boss: Client) -> None:
    upload(boss, "id,title\nb,Pan 2\n")
    written_at = datetime.fromtimestamp(next(FEED_UPLOADS.path.iterdir()).stat().st_mtime, UTC)
    assert FEED_UPLOADS.delete_expired(at=written_at) == 0
    assert FEED_UPLOADS.delete_expired(at=written_at.replace(year=written_at.year + 1)) == 1


def test_an_export_can_be_imported_again_and_changes_nothing(boss: Client) -> None:
    exported = ProductResource().export().csv
    assert "蓝色水壶" in exported
    assert "厨房 > 水壶" in exported
    result = ProductResource().import_data(Dataset().load(exported, format="csv"), raise_errors=True)
    assert result.totals["skip"] == 2
    assert set(Product.objects.values_list("updated_at", flat=True)) == {NOW}


def test_the_import_page_shows_a_preview_before_it_writes(boss: Client) -> None:
    text = "product_id,title,category,price,cost,tags\na/1,Neu,Home > New,5.00,2.10,x|y\nz,Zet,,,,\n"
    preview = boss.post(
        reverse("admin:catalog_product_import"),
        {"import_file": SimpleUploadedFile("p.csv", text.encode()), "format": "0", "resource": ""},
    )
    assert preview.status_code == 200
    assert Product.objects.count() == 2
    form = preview.context["confirm_form"]
    confirmed = boss.post(reverse("admin:catalog_product_process_import"), form.initial)
    assert confirmed.status_code == 302
    product = Product.objects.select_related("category").get(product_id="a/1")
    assert (product.title, product.price, product.tags) == ("Neu", Decimal(5), ["x", "y"])
    assert product.cost == Decimal("2.10")
    assert product.category is not None
    assert product.category.path == "Home > New"
    assert product.currency == "EUR"
    assert product.updated_at > NOW
    assert Product.objects.get(product_id="z").currency == ""


def test_the_import_page_names_an_invalid_row_and_writes_nothing(boss: Client) -> None:
    data = Dataset(headers=["product_id", "title", "price", "availability"])
    data.append(["n1", "N1", "-4", "in_stock"])
    data.append(["n2", "N2", "4", "perhaps"])
    data.append(["n3", "", "4", "in_stock"])
    data.append(["n4", "N4", "4", "in_stock"])
    data.append(["n4", "N4 again", "4", "in_stock"])
    result = ProductResource().import_data(data)
    assert [set(row.error_dict) for row in result.invalid_rows] == [
        {"price"},
        {"availability"},
        {"title"},
        {"product_id"},
    ]


def test_the_import_page_does_not_run_a_query_per_row(boss: Client, django_assert_max_num_queries: Any) -> None:
    data = Dataset(headers=["product_id", "title", "category"])
    for n in range(300):
        data.append([f"n{n}", "T", f"C > {n % 9}"])
    with django_assert_max_num_queries(25):
        result = ProductResource().import_data(data, raise_errors=True)
    assert result.totals["new"] == 300
