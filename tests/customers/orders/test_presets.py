"""The exports of Shopify and WooCommerce, as those systems write them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from customers.identity.models import Identifier
from customers.identity.personal_data.hashing import hash_email
from customers.orders.imports.file_import import import_orders
from customers.orders.models import Order, OrderImport
from tests.makers import make_source

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

SHOPIFY_HEADER = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,Taxes,"
    "Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,Lineitem price,"
    "Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,Lineitem fulfillment status,"
    "Billing Name,Billing Country,Shipping Country,Cancelled at,Refunded Amount,Vendor,Id,Source,Lineitem discount"
)
WOO_SUITE_HEADER = (
    "order_id,order_number,date,status,shipping_total,tax_total,order_discount,order_total,refunded_total,order_currency,"
    "customer_id,billing_email,billing_country,shipping_country,item_product_id,item_name,item_sku,item_quantity,"
    "item_subtotal,item_total,item_price"
)
WOO_ADVANCED_HEADER = (
    "Order Number,Order Status,Order Date,Customer Note,Email (Billing),Country Code (Shipping),Cart Discount Amount,"
    "Order Subtotal Amount,Order Shipping Amount,Order Refund Amount,Order Total Amount,Order Total Tax Amount,SKU,Item #,"
    "Item Name,Quantity (- Refund),Quantity,Item Cost,Coupon Code,Discount Amount"
)


def write(path: Path, header: str, rows: list[dict[str, Any]]) -> Path:
    columns = header.split(",")
    lines = [header]
    lines += [",".join(str(row.get(column, "")) for column in columns) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.VAR_DIR = tmp_path / "var"


def load(path: Path, preset: str) -> OrderImport:
    return import_orders(path=path, source=make_source(), preset=preset, started_at=NOW, currency="USD")


def shopify_order(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Email": "ada@example.org",
        "Financial Status": "paid",
        "Currency": "EUR",
        "Total": "53.91",
        "Shipping": "4.90",
        "Taxes": "0.00",
        "Discount Amount": "0.00",
        "Created at": "2026-05-07 09:50:26 +0200",
        "Lineitem quantity": 1,
        "Lineitem name": "Lip balm",
        "Lineitem price": "53.91",
        "Lineitem sku": "balm-1",
        "Lineitem discount": "0.00",
        **fields,
    }


def test_shopify_order_has_its_own_values_on_its_first_row_only(tmp_path: Path) -> None:
    first = shopify_order(
        "#1001",
        **{
            "Total": "48.00",
            "Discount Code": "WELCOME10",
            "Discount Amount": "5.00",
            "Lineitem quantity": 2,
            "Lineitem price": "20.00",
            "Vendor": "Leaf",
            "Source": "web",
            "Shipping Country": "FR",
        },
    )
    second = {
        "Name": "#1001",
        "Email": "ada@example.org",
        "Created at": "2026-05-07 09:50:26 +0200",
        "Lineitem quantity": 1,
        "Lineitem name": "Gift card",
        "Lineitem price": "10.00",
        "Lineitem discount": "1.90",
    }
    run = load(write(tmp_path / "orders.csv", SHOPIFY_HEADER, [first, second]), "shopify")
    assert (run.loaded, run.rejected) == (2, 0)
    order = Order.objects.get()
    assert (order.order_id, order.currency, order.coupon, order.channel) == ("#1001", "EUR", "WELCOME10", "web")
    assert (order.subtotal, order.discount, order.shipping, order.total) == (
        Decimal("48.10"),
        Decimal("5.00"),
        Decimal("4.90"),
        Decimal("48.00"),
    )
    assert order.placed_at == datetime(2026, 5, 7, 7, 50, 26, tzinfo=UTC)
    # without a SKU, the name is the product's id
    assert [line.product.product_id for line in order.lines.select_related("product")] == ["balm-1", "Gift card"]
    identifier = Identifier.objects.get()
    assert (identifier.kind, identifier.value) == ("email_hash", hash_email("ada@example.org"))
    assert identifier.customer == order.customer
    assert identifier.customer.email == "ada@example.org"
    assert identifier.customer.country == "FR"


def test_shopify_states_become_ours(tmp_path: Path) -> None:
    rows = [
        shopify_order("#1", **{"Financial Status": "refunded", "Refunded Amount": "53.91"}),
        shopify_order("#2", **{"Financial Status": "partially_refunded", "Refunded Amount": "10.00"}),
        shopify_order("#3", **{"Financial Status": "voided"}),
        shopify_order("#4", **{"Financial Status": "refunded", "Cancelled at": "2026-05-08 10:00:00 +0200"}),
        shopify_order("#5", **{"Financial Status": "pending", "Email": ""}),
    ]
    run = load(write(tmp_path / "orders.csv", SHOPIFY_HEADER, rows), "shopify")
    assert run.loaded == 5
    assert dict(Order.objects.values_list("order_id", "status")) == {
        "#1": "refunded",
        "#2": "partly_refunded",
        "#3": "cancelled",
        "#4": "cancelled",
        "#5": "placed",
    }
    assert Order.objects.get(order_id="#2").refunded == Decimal("10.00")
    assert Order.objects.get(order_id="#5").customer is None
    assert run.counts["guest_lines"] == 1


def test_woocommerce_suite_one_row_per_item(tmp_path: Path) -> None:
    order = {
        "order_id": 501,
        "order_number": "S-501",
        "date": "2026-05-07 10:00:00",
        "status": "completed",
        "shipping_total": "5.00",
        "tax_total": "2.00",
        "order_total": "37.00",
        "order_currency": "GBP",
        "customer_id": 12,
        "billing_email": "ada@example.org",
    }
    item = {
        "item_product_id": 9,
        "item_name": "Mug",
        "item_sku": "mug",
        "item_quantity": 3,
        "item_price": 10,
        "item_total": "30.00",
    }
    rows = [
        order | item,
        order | item | {"order_number": "S-502", "customer_id": 0, "status": "wc-refunded", "item_sku": ""},
        order | item | {"order_number": "S-503", "status": "on-hold", "item_total": "24.00"},
        order | item | {"order_number": "S-504", "status": "failed"},
    ]
    run = load(write(tmp_path / "orders.csv", WOO_SUITE_HEADER, rows), "woocommerce")
    assert (run.loaded, run.counts["guest_lines"]) == (4, 1)
    assert dict(Order.objects.values_list("order_id", "status")) == {
        "S-501": "placed",
        "S-502": "refunded",
        "S-503": "placed",
        "S-504": "cancelled",
    }
    first = Order.objects.get(order_id="S-501")
    assert (first.currency, first.subtotal, first.total, first.shipping) == ("GBP", 30, 37, 5)
    assert first.customer is not None
    assert set(first.customer.identifiers.values_list("kind", "value")) == {
        ("user_id", "12"),
        ("email_hash", hash_email("ada@example.org")),
    }
    guest = Order.objects.get(order_id="S-502")
    assert (guest.customer, guest.guest_email_hash, guest.refunded) == (None, hash_email("ada@example.org"), 37)
    assert guest.lines.get().product.product_id == "9"
    assert Order.objects.get(order_id="S-503").lines.get().discount == Decimal("6.00")


def test_woocommerce_advanced_export_with_american_dates(tmp_path: Path) -> None:
    row = {
        "Order Number": 88,
        "Order Status": "Partially refunded",
        "Order Date": "9/6/2026  6:29:00",
        "Email (Billing)": "eve@example.org",
        "Order Shipping Amount": "0",
        "Order Refund Amount": "4.50",
        "Order Total Amount": "9.00",
        "SKU": "tea",
        "Item #": 1,
        "Item Name": "Tea",
        "Quantity": 2,
        "Item Cost": "4.50",
        "Coupon Code": "TEA",
    }
    run = load(write(tmp_path / "orders.csv", WOO_ADVANCED_HEADER, [row]), "woocommerce")
    assert (run.loaded, run.problems) == (1, {})
    order = Order.objects.get()
    assert order.placed_at == datetime(2026, 9, 6, 6, 29, tzinfo=UTC)
    assert (order.status, order.refunded, order.coupon) == ("partly_refunded", Decimal("4.50"), "TEA")
    assert order.customer is not None
