"""Ten products, p0 to p9, as columns without a database."""

from typing import Any

import numpy as np

from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.product_columns import RuleProductColumns
from tests.makers import NOON

IDS = [f"p{number}" for number in range(10)]
CATEGORIES = {"Kitchen": 0, "Kitchen > Kettles": 1, "Kitchenware": 2}
BRANDS = {"Acme": 0, "Bolt": 1}
DAY = 86_400
COLORS = {"blue": [0, 3, 6], "red": [1]}
TAGS = {"sale": [2, 3]}


def make_ten_products(**changes: Any) -> RuleProductColumns:
    """Return the columns: p0 to p8 cost 10, 20 … 90, p9 has no price and is not visible, p8 is sold out."""
    columns: dict[str, Any] = {
        "visible": np.array([True] * 9 + [False]),
        "in_stock": np.array([True] * 8 + [False, True]),
        "price": np.array([10, 20, 30, 40, 50, 60, 70, 80, 90, np.nan]),
        "margin": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, -0.1, np.nan, np.nan, np.nan], np.float32),
        "stock": np.array([1, 2, 3, 4, 5, 6, 7, np.nan, 0, 9.0]),
        "published": np.array([NOON.timestamp() - days * DAY for days in (0, 1, 2, 5, 10, 30, 60, 100, -1)] + [np.nan]),
        "brand": np.array([0, 0, 0, 0, 0, 1, 1, 1, -1, -1], np.int32),
        "category": np.array([0, 0, 1, 1, 1, 2, 2, 2, -1, -1], np.int32),
        "brands": BRANDS,
        "categories": CATEGORIES,
        "find_row": lambda product_id: IDS.index(product_id) if product_id in IDS else -1,
        "rows_with_attribute": lambda name, value: np.array(COLORS.get(value, []) if name == "color" else [], np.int32),
        "rows_with_tag": lambda tag: np.array(TAGS.get(tag, []), np.int32),
    }
    return RuleProductColumns(**(columns | changes))


def make_rule(action: str, products: str = "", **fields: Any) -> Rule:
    """Return an unsaved rule; products: ids such as "p1 p3"."""
    fields = {"name": f"{action} {products}".strip(), "product_ids": products.split(), **fields}
    if action == "pin":
        fields = {"position": 1, **fields}
    return Rule(action=action, **fields)
