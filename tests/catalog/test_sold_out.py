"""All parts of the platform agree on which products are sold out."""

import pytest

from catalog.models import Product
from catalog.product_picker.queries import describe_product
from config.shopping_agents.catalog_products import ProductReader
from config.shopping_agents.models import AgentFeedSettings
from recommendations.engine import IdMap
from recommendations.merchandising.rules.product_columns import read_product_columns
from recommendations.serving.state.product_index import ProductIndex
from tests.makers import NOON, make_product

pytestmark = pytest.mark.django_db

SOLD = ["backorder--2", "backorder-0", "backorder-3", "in_stock-3", "in_stock-None", "preorder-0", "preorder-None"]
SOLD_OUT = ["in_stock--2", "in_stock-0", "out_of_stock-3", "out_of_stock-None"]


def test_products_on_order_are_sold_without_stock_everywhere() -> None:
    for name in (*SOLD, *SOLD_OUT):
        availability, stock = name.split("-", 1)
        make_product(
            name, availability=availability, stock=None if stock == "None" else int(stock), url="https://shop.example/p"
        )
    index = ProductIndex(IdMap.of([]), more=len(SOLD) + len(SOLD_OUT))
    index.refresh(now=NOON)
    columns = read_product_columns(now=NOON)
    reader = ProductReader(AgentFeedSettings(includes_sold_out=False), NOON)
    found = {
        "messages": list(Product.objects.buyable().values_list("product_id", flat=True)),
        "serving": [name for name in (*SOLD, *SOLD_OUT) if index.in_stock[index.find_row(name)]],
        "rules": [name for name in (*SOLD, *SOLD_OUT) if columns.in_stock[columns.find_row(name)]],
        "agents": [product.id for product in reader.read_all()],
        "back office": [
            product.product_id for product in Product.objects.all() if not describe_product(product).warning
        ],
    }
    assert {name: sorted(products) for name, products in found.items()} == dict.fromkeys(found, sorted(SOLD))
