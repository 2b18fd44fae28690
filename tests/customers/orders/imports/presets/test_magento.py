"""Exports of order items from Magento, as a database query and extensions write them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from customers.orders.imports.file_import import ColumnMappingError, import_orders
from customers.orders.models import Order, OrderImport, OrderLine
from tests.makers import make_source

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
QUERY_HEADER = (
    "increment_id,created_at,customer_id,customer_email,status,order_currency_code,shipping_amount,grand_total,total_refunded,"
    "sku,name,qty_ordered,price,item_discount_amount,parent_item_id\n"
)
QUERY = (
    QUERY_HEADER
    + """000000012,2026-05-07 10:00:00,7,ada@example.org,complete,EUR,5.0000,42.0000,,WS-M,Shirt,2.0000,20.0000,3.0000,NULL
000000012,2026-05-07 10:00:00,7,ada@example.org,complete,EUR,5.0000,42.0000,,WS-M,Shirt M,2.0000,0.0000,0.0000,41
000000013,2026-05-08 10:00:00,,bob@example.org,closed,EUR,0.0000,9.0000,9.0000,MUG,Mug,1.0000,9.0000,,NULL
000000014,2026-05-08 11:00:00,,eve@example.org,canceled,EUR,0.0000,9.0000,,MUG,Mug,1.0000,9.0000,,NULL
000000015,2026-05-08 12:00:00,,eve@example.org,holded,EUR,0.0000,9.0000,,MUG,Mug,1.0000,9.0000,,NULL
"""
)
PREFIXED = """increment_id,created_at,customer_email,status,grand_total,item:sku,item:name,item:qty_ordered,item:price,item:parent_item_id
000000012,2026-05-07 10:00:00,ada@example.org,processing,29.0000,WS-M,Shirt,1.0000,20.0000,
000000012,,,,,MUG,Mug,1.0000,9.0000,
"""
TITLES = (
    "Order Number,Order Date,Order Status,Order Purchased From,Order Shipping,Order Grand Total,Customer Email,Shipping Country,"
    "Item Name,Item SKU,Item Price,Item Qty Ordered,Item Discount,Item Total\n"
    "100000031,2026-05-07 10:00:00,complete,Main Website,4.00,24.00,ada@example.org,DE,Shirt,WS-M,20.00,1,0,20.00\n"
)
GRID = """ID,Purchase Point,Purchase Date,Bill-to Name,Ship-to Name,Grand Total (Base),Grand Total (Purchased),Status
000000012,Main Website,2026-05-07 10:00:00,Ada L,Ada L,42.00,42.00,complete
"""


@pytest.fixture(autouse=True)
def folders(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.VAR_DIR = tmp_path / "var"


def load(path: Path, text: str) -> OrderImport:
    file = path / "orders.csv"
    file.write_text(text)
    return import_orders(path=file, source=make_source(), preset="magento", started_at=NOW, currency="USD")


def test_rows_of_a_query_become_orders_without_the_parts_of_other_items(tmp_path: Path) -> None:
    run = load(tmp_path, QUERY)
    assert (run.rows, run.loaded, run.rejected) == (4, 4, 0)
    order = Order.objects.get(order_id="000000012")
    assert (order.total, order.shipping, order.currency, order.status) == (Decimal(42), Decimal(5), "EUR", "placed")
    line = order.lines.get()
    assert (line.product.product_id, line.quantity, line.unit_price, line.discount, line.total) == (
        "WS-M",
        Decimal(2),
        Decimal(20),
        Decimal(3),
        Decimal(37),
    )
    statuses = dict(Order.objects.values_list("order_id", "status"))
    assert statuses == {
        "000000012": "placed",
        "000000013": "refunded",
        "000000014": "cancelled",
        "000000015": "placed",
    }


@pytest.mark.parametrize(("text", "total"), [(PREFIXED, 29), (TITLES, 24)])
def test_exports_of_extensions_are_read(tmp_path: Path, text: str, total: int) -> None:
    run = load(tmp_path, text)
    assert run.rejected == 0, run.problems
    assert Order.objects.get().total == Decimal(total)
    assert OrderLine.objects.filter(product__title="Shirt").exists()


def test_export_of_the_grid_is_refused_with_what_to_export_instead(tmp_path: Path) -> None:
    with pytest.raises(ColumnMappingError, match="Export order items instead"):
        load(tmp_path, GRID)
