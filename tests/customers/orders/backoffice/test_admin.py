"""Admin pages of orders and their imports."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from customers.orders.imports.file_import import import_orders
from tests.makers import NOON, make_customer, make_order, make_product, make_source

pytestmark = pytest.mark.django_db

FILE = "order_id,customer_id,placed_at,product_id,quantity,unit_price\n1,ada,2026-05-01,tea,many,4.50\n"


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


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("name", ["order_changelist", "orderimport_changelist"])
def test_every_page_answers(boss: Client, name: str, language: str) -> None:
    boss.cookies["django_language"] = language
    make_order(make_customer("ada"), products=[make_product()])
    assert get(boss, name)


def test_order_shows_its_lines(boss: Client) -> None:
    order = make_order(make_customer("ada"), products=[make_product("tea", title="Green tea")])
    page = get(boss, "order_change", order.pk)
    assert "Green tea" in page
    assert "ada" in page


def test_an_order_links_only_to_what_the_role_may_open(boss: Client, client: Client) -> None:
    tea = make_product("tea", title="Green tea")
    order = make_order(make_customer("ada"), products=[tea])
    source = reverse("admin:events_source_change", args=[order.source_id])
    product = reverse("admin:catalog_product_change", args=[tea.pk])
    page = get(boss, "order_change", order.pk)
    assert f'href="{source}"' in page
    analyst = get_user_model().objects.create_user("analyst", is_staff=True)
    analyst.groups.add(Group.objects.get(name="Analyst"))
    client.force_login(analyst)
    page = get(client, "order_change", order.pk)
    assert f'href="{source}"' not in page
    assert str(order.source) in page
    assert f'href="{product}"' in page


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


def test_rejected_rows_are_downloaded_only_with_permission(boss: Client, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(FILE)
    record = import_orders(path=path, source=make_source(), started_at=NOON, currency="EUR")
    address = reverse("admin:orders_orderimport_errors", args=[record.pk])
    response = boss.get(address)
    assert b"many" in b"".join(response.streaming_content)  # type: ignore[attr-defined]
    user = get_user_model().objects.create_user("clerk", password="x", is_staff=True)
    client.force_login(user)
    assert client.get(address).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_orderimport"))
    assert client.get(address).status_code == 403  # the rows contain the addresses of buyers
    assert address not in get(client, "orderimport_change", record.pk)
    user.user_permissions.add(Permission.objects.get(codename="view_personal"))
    response = client.get(address)
    assert response.status_code == 200
    assert b"many" in b"".join(response.streaming_content)  # type: ignore[attr-defined]


@pytest.mark.parametrize("address", ["upload/", "7/confirm/"])
def test_earlier_upload_pages_lead_to_the_import_wizard(boss: Client, address: str) -> None:
    response = boss.get(f"/admin/orders/orderimport/{address}")
    assert response.headers["Location"] == reverse("imports:new", args=["orders"])
