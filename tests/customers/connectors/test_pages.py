"""The pages of connectors: connecting with keys that are checked immediately, preview, import, webhooks and disconnecting."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from catalog.bulk_results import FieldProblem
from catalog.models import Product
from config.foundation.job_runs import JobStatus
from customers.connectors import tasks
from customers.connectors.backoffice import set_up_pages
from customers.connectors.backoffice.detail_texts import translate_detail
from customers.connectors.models import ShopConnection, ShopRecordKind, SyncRun
from customers.connectors.platforms.registry import CONNECTORS
from customers.connectors.sync.writing import WriteResult, reject
from customers.events.models import Source
from customers.orders.models import Order
from tests.customers.connectors.makers import make_connection
from tests.customers.connectors.platforms.shopify_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    ShopifyServer,
    make_customer,
    make_order,
    make_product,
)

pytestmark = pytest.mark.django_db


def test_differences_name_their_fields_in_the_language_of_the_reader() -> None:
    with translation.override("zh-hans"):
        assert translate_detail("price: 1.00 → 4.50; title: A; price → B") == "价格：1.00 → 4.50; 标题：A; price → B"
        assert (
            translate_detail("status: cancelled → placed; is_active: False → True")
            == "状态：已取消 → 已下单; 启用：否 → 是"
        )
        assert translate_detail("price: 1.00 → 4.50; description; tags") == "价格：1.00 → 4.50; 描述; 标签"


def test_reasons_are_in_the_language_of_the_reader() -> None:
    result = WriteResult()
    message = "The price is negative; use a negative quantity for returned items."
    problems = [FieldProblem("lines[0].total", "negative_price", message), FieldProblem("title", "odd", "Odd title.")]
    reject(result, ShopRecordKind.ORDERS, "7", problems)
    reject(result, ShopRecordKind.CUSTOMERS, "8", [FieldProblem("user_id", "required", "About ada@example.com")])
    order, customer = (item.detail for item in result.differences)
    assert translate_detail(order) == f"line 1, total: {message}; title: Odd title."
    assert "ada@example.com" not in customer
    with translation.override("zh-hans"):
        assert "The price" not in translate_detail(order)
        assert translate_detail("title: written before reasons had codes") == "标题：written before reasons had codes"


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.synchronize_shops, "delay", tasks.synchronize_shops)


def log_in(client: Client, role: str, settings: Any) -> Client:
    settings.TWO_FACTOR_REQUIRED = False
    user = User.objects.create_user(role, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


def test_an_operator_connects_a_shop_and_disconnects_it(
    client: Client, settings: Any, shopify: ShopifyServer, eager: None
) -> None:
    operator = log_in(client, "Operator", settings)
    shopify.records = {
        "products": [make_product(1)],
        "customers": [make_customer(11)],
        "orders": [make_order(1001, customer=11), make_order(1002, lineItems=[])],
    }
    assert "No shop is connected yet" in operator.get(reverse("connectors:list")).text
    new = reverse("connectors:new", args=["shopify"])
    page = operator.get(new).text
    assert "read_all_orders" in page
    labels = ("Client ID (optional)", "Admin API access token (optional)", "Client secret</label>")
    assert all(label in page for label in labels)
    keys = {"address": shopify.url, "client_id": CLIENT_ID, "client_secret": "wrong"}
    assert "rejects the client ID and secret" in operator.post(new, keys).text
    assert not ShopConnection.objects.exists()
    answer = operator.post(new, {**keys, "client_secret": CLIENT_SECRET}, follow=True)
    shop = ShopConnection.objects.get()
    assert (shop.name, shop.currency, CLIENT_SECRET in str(shop.credentials)) == ("Tea shop", "EUR", True)
    assert "cannot be imported" in answer.text
    assert not Product.objects.exists()
    assert "connected already" in operator.post(new, {**keys, "client_secret": CLIENT_SECRET}).text
    page = reverse("connectors:shop", args=[shop.pk])
    answer = operator.post(reverse("connectors:change", args=[shop.pk, "import"]), follow=True)
    assert Order.objects.count() == 1
    assert "Records that could not be imported" in answer.text
    assert "1002" in answer.text
    answer = operator.post(reverse("connectors:change", args=[shop.pk, "webhooks"]), follow=True)
    assert "12 webhooks" in answer.text
    assert CLIENT_SECRET not in answer.text
    Order.objects.update(total=1)
    answer = operator.post(reverse("connectors:change", args=[shop.pk, "compare"]), follow=True)
    assert "total: 1.00 → 25.00" in answer.text
    assert operator.get(page, headers={"HX-Request": "true"}).text.lstrip().startswith("<div")
    assert "对账" in operator.get(page, headers={"accept-language": "zh-hans"}).text
    assert (
        "wrong"
        not in operator.post(reverse("connectors:keys", args=[shop.pk]), {"client_id": CLIENT_ID}, follow=True).text
    )
    disconnect = reverse("connectors:disconnect", args=[shop.pk])
    assert ShopConnection.objects.exists()
    assert "stay" in operator.get(disconnect).text
    operator.post(disconnect)
    assert not ShopConnection.objects.exists()
    assert not shopify.webhooks
    orders = Order.objects.count()
    shopify.records["orders"].append(make_order(1003, customer=11))
    operator.post(new, {**keys, "client_secret": CLIENT_SECRET})
    again = ShopConnection.objects.get()
    operator.post(reverse("connectors:change", args=[again.pk, "import"]))
    assert (again.source, Order.objects.count()) == (shop.source, orders + 1), "no order is doubled"


def test_a_shop_gets_only_its_own_former_source_back() -> None:
    def find(platform: str, address: str) -> Source | None:
        return set_up_pages.find_former_source(CONNECTORS[platform], address)

    def make(key: str, **fields: Any) -> Source:
        return Source.objects.create(key=key, name=key, **{"kind": Source.Kind.IMPORT, **fields})

    tea = "https://tea.myshopify.com"
    assert find("shopify", tea) is None
    former = make("shopify-tea")
    assert find("shopify", tea) == former
    make("shopify-tea-2")
    assert find("shopify", "https://tea-2.myshopify.com") is None, "it may be the second source of tea"
    make("shopify-www", kind=Source.Kind.SERVER)
    assert find("shopify", "https://www.myshopify.com") is None
    make("woocommerce-www")
    assert find("woocommerce", "https://www.mugs.example") is None, "of any shop whose address begins with www"
    addresses = (
        "https://www.mugs.example",
        "https://www.cups.example",
        "https://www.mugs.example/b",
        "https://www-mugs.example",
    )
    keys = {set_up_pages.build_source_key(CONNECTORS["woocommerce"], address) for address in addresses}
    assert len(keys) == 4
    connected = make(set_up_pages.build_source_key(CONNECTORS["shopify"], tea))
    assert find("shopify", tea) == connected
    ShopConnection.objects.create(name="Tea", platform="shopify", address=tea, source=connected)
    ShopConnection.objects.create(name="Tea", platform="shopify", address="https://t.example", source=former)
    assert find("shopify", tea) is None, "both are in use"


def test_two_shops_whose_ids_collide_are_not_connected(client: Client, settings: Any, shop: ShopConnection) -> None:
    operator = log_in(client, "Operator", settings)
    make_connection("woocommerce", "https://mugs.example", {})
    keys = {"address": "https://other.example", "access_token": "x"}
    text = operator.post(reverse("connectors:new", args=["magento"]), keys).text
    assert "is already connected. Products and customers of the two shops can have the same IDs" in text
    assert ShopConnection.objects.count() == 2


def test_a_failed_import_says_why_and_continues(
    client: Client, settings: Any, shopify: ShopifyServer, shop: ShopConnection, eager: None
) -> None:
    operator = log_in(client, "Operator", settings)
    shopify.records["products"] = [make_product(1)]
    shopify.scopes = []
    run = SyncRun.objects.create(
        connection=shop,
        kind="backfill",
        started_at=timezone.now(),
        status=JobStatus.FAILED,
        error="The app lacks a scope.",
    )
    page = reverse("connectors:shop", args=[shop.pk])
    assert "The app lacks a scope." in operator.get(page).text
    operator.post(reverse("connectors:change", args=[shop.pk, "resume"]))
    run.refresh_from_db()
    assert run.status == "done"
    assert Product.objects.exists()


def test_an_analyst_sees_connectors_and_changes_nothing(client: Client, settings: Any, shop: ShopConnection) -> None:
    analyst = log_in(client, "Analyst", settings)
    assert shop.name in analyst.get(reverse("connectors:list")).text
    assert "Disconnect" not in analyst.get(reverse("connectors:shop", args=[shop.pk])).text
    for name, args in (("new", ["shopify"]), ("keys", [shop.pk]), ("preview", [shop.pk]), ("disconnect", [shop.pk])):
        assert analyst.get(reverse(f"connectors:{name}", args=args)).status_code == 403
    assert analyst.post(reverse("connectors:change", args=[shop.pk, "import"])).status_code == 403
    assert Source.objects.filter(pk=shop.source_id).exists()
