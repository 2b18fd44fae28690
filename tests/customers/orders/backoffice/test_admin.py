"""Admin pages of orders and their imports."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from customers.orders.imports.uploads import ORDER_UPLOADS
from customers.orders.models import Order, OrderImport
from tests.makers import make_customer, make_order, make_product

pytestmark = pytest.mark.django_db

FILE = (
    "Invoice,customer_id,placed_at,product_id,quantity,unit_price\n"
    "1,ada,2026-05-01,tea,1,4.50\n2,ada,2026-05-01,tea,many,4.50\n"
)


@pytest.fixture
def boss(client: Client, settings: Any, tmp_path: Path) -> Client:
    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.VAR_DIR = tmp_path / "var"
    client.force_login(get_user_model().objects.create_superuser("boss", password="x"))
    return client


def get(client: Client, name: str, *args: Any, **query: Any) -> str:
    response = client.get(reverse(f"admin:orders_{name}", args=args), query)
    assert response.status_code == 200
    return response.content.decode()


def upload(client: Client, text: str = FILE, **fields: Any) -> OrderImport:
    fields = {
        "file": SimpleUploadedFile("march.csv", text.encode()),
        "source": "shop",
        "preset": "native",
        "mapping": "order_id=Invoice",
        "currency": "eur",
        "timezone": "UTC",
        "products": "create",
        **fields,
    }
    response = client.post(reverse("admin:orders_orderimport_upload"), fields)
    assert response.status_code == 302, response.context["form"].errors
    return OrderImport.objects.latest("pk")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("name", ["order_changelist", "orderimport_changelist", "orderimport_upload"])
def test_every_page_answers(boss: Client, name: str, language: str) -> None:
    boss.cookies["django_language"] = language
    make_order(make_customer("ada"), products=[make_product()])
    assert get(boss, name)


def test_order_shows_its_lines(boss: Client) -> None:
    order = make_order(make_customer("ada"), products=[make_product("tea", title="Green tea")])
    page = get(boss, "order_change", order.pk)
    assert "Green tea" in page
    assert "ada" in page


def test_list_takes_no_query_per_order(boss: Client, django_assert_max_num_queries: Any) -> None:
    tea = make_product("tea")
    for n in range(30):
        make_order(make_customer(f"c{n}"), products=[tea])
    with django_assert_max_num_queries(12):
        assert "c29" in get(boss, "order_changelist")


def test_orders_are_searched_by_id_and_by_customer(boss: Client) -> None:
    make_order(make_customer("ada"), order_id="first-one")
    make_order(make_customer("bob"), order_id="second-one")
    assert "second-one" not in get(boss, "order_changelist", q="first-one")
    page = get(boss, "order_changelist", q="bob")
    assert "second-one" in page
    assert "first-one" not in page


def test_upload_is_checked_first_and_imported_after_confirmation(boss: Client) -> None:
    dry_run = upload(boss)
    assert (dry_run.dry_run, dry_run.file_name, dry_run.rows, dry_run.loaded, dry_run.rejected) == (
        True,
        "march.csv",
        2,
        1,
        1,
    )
    assert not Order.objects.exists()
    page = get(boss, "orderimport_change", dry_run.pk)
    assert "Nothing has been changed yet" in page
    assert "Not a valid number" in page
    response = boss.post(reverse("admin:orders_orderimport_confirm", args=[dry_run.pk]))
    record = OrderImport.objects.latest("pk")
    assert response.headers["Location"] == reverse("admin:orders_orderimport_change", args=[record.pk])
    assert (record.dry_run, record.file_name, record.loaded) == (False, "march.csv", 1)
    assert Order.objects.get().currency == "EUR"
    assert not list(ORDER_UPLOADS.path.iterdir())


def test_rejected_rows_are_downloaded_only_with_permission(boss: Client, client: Client) -> None:
    dry_run = upload(boss)
    address = reverse("admin:orders_orderimport_errors", args=[dry_run.pk])
    response = boss.get(address)
    assert b"many" in b"".join(response.streaming_content)  # type: ignore[attr-defined]
    user = get_user_model().objects.create_user("clerk", password="x", is_staff=True)
    client.force_login(user)
    assert client.get(address).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_orderimport"))
    assert client.get(address).status_code == 403  # the rows contain the addresses of buyers
    assert address not in get(client, "orderimport_change", dry_run.pk)
    user.user_permissions.add(Permission.objects.get(codename="view_personal"))
    response = client.get(address)
    assert response.status_code == 200
    assert b"many" in b"".join(response.streaming_content)  # type: ignore[attr-defined]


def test_unreadable_file_shows_the_reason(boss: Client) -> None:
    dry_run = upload(boss, mapping="order_id=Invoyce")
    assert "Did you mean" in get(boss, "orderimport_change", dry_run.pk)
    response = boss.post(reverse("admin:orders_orderimport_confirm", args=[dry_run.pk]), follow=True)
    assert "Upload it again" in response.content.decode()
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"), [("mapping", "nonsense"), ("currency", "abcd"), ("timezone", "Mars"), ("source", "a b")]
)
def test_invalid_options_are_reported(boss: Client, field: str, value: str) -> None:
    fields = {"source": "shop", "preset": "native", "currency": "EUR", "timezone": "UTC", "products": "create"}
    response = boss.post(
        reverse("admin:orders_orderimport_upload"),
        {**fields, "file": SimpleUploadedFile("march.csv", FILE.encode()), field: value},
    )
    assert field in response.context["form"].errors
    assert not OrderImport.objects.exists()


def test_upload_page_requires_import_permission(client: Client) -> None:
    client.force_login(get_user_model().objects.create_user("clerk", password="x", is_staff=True))
    assert client.get(reverse("admin:orders_orderimport_upload")).status_code == 403


def test_old_uploads_are_deleted(boss: Client) -> None:
    dry_run = upload(boss)
    assert ORDER_UPLOADS.delete_expired(at=dry_run.started_at + timedelta(days=6)) == 0
    assert ORDER_UPLOADS.delete_expired(at=dry_run.started_at + timedelta(days=8)) == 1
