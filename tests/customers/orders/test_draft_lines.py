"""Order lines of drafts move to the products that the catalog has learned since."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.models import Product
from customers.lifecycle.models import CustomerProfile
from customers.orders import draft_lines
from customers.orders.models import OrderLine
from customers.orders.tasks import move_lines_of_drafts
from tests.customers.processing.event_makers import NOW, order, process, product, send
from tests.makers import make_product

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=2)


@pytest.fixture(autouse=True)
def _warehouse(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def sell(order_id: str, *product_ids: str) -> None:
    send(order(order_id=order_id, products=[product(product_id) for product_id in product_ids]))
    process()


def read_lines() -> list[tuple[str, str]]:
    lines = OrderLine.objects.order_by("order__order_id", "line_number")
    return list(lines.values_list("order__order_id", "product__product_id"))


def test_lines_sold_by_sku_or_group_move_when_the_catalog_knows_them() -> None:
    sell("A1", "SKU-TEA", "cups")
    sell("A2", "SKU-TEA", "unknown")
    assert move_lines_of_drafts() == 0
    make_product("tea", sku="SKU-TEA", category="Kitchen")
    make_product("cup-sold-out", parent_id="cups", stock=0)
    make_product("cup-red", parent_id="cups", stock=5)
    assert move_lines_of_drafts() == 3
    assert read_lines() == [("A1", "tea"), ("A1", "cup-red"), ("A2", "tea"), ("A2", "unknown")]
    process(LATER)  # no event waits, so this recounts the queued customers only
    assert [name for name, _share in CustomerProfile.objects.get().favorite_categories] == ["Kitchen"]
    send(order("Order Updated", "A2", coupon="X"))
    process(LATER)
    assert read_lines()[2:] == [("A2", "tea"), ("A2", "unknown")]
    assert move_lines_of_drafts() == 0
    assert Product.objects.get(product_id="SKU-TEA").is_draft


def test_ambiguous_skus_and_products_that_are_no_drafts_keep_their_lines() -> None:
    sell("A1", "SKU-1", "SKU-2")
    make_product("a", sku="SKU-1")
    make_product("b", sku="SKU-1")
    make_product("c", sku="SKU-2")
    Product.objects.filter(product_id="SKU-2").update(is_draft=False)
    assert move_lines_of_drafts() == 0
    assert read_lines() == [("A1", "SKU-1"), ("A1", "SKU-2")]


def test_lines_move_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_lines, "BATCH_SIZE", 2)
    for number in range(5):
        sell(f"A{number}", "SKU-TEA")
    make_product("tea", sku="SKU-TEA")
    assert move_lines_of_drafts() == 5
    assert {product_id for _order_id, product_id in read_lines()} == {"tea"}
