"""The order exports of WooCommerce plug-ins, as they write them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from customers.identity.personal_data.hashing import hash_email
from customers.orders.imports.file_import import import_orders
from customers.orders.models import Order, OrderImport
from tests.makers import make_source

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

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


def test_export_suite_with_one_row_per_item_is_imported(tmp_path: Path) -> None:
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


def test_advanced_order_export_with_us_dates_is_imported(tmp_path: Path) -> None:
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
