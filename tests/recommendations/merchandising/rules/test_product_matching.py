"""The products that match a condition: ten constructed products, and products read from the database."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Category
from recommendations.merchandising.rules.product_columns import list_attribute_values, read_product_columns
from recommendations.merchandising.rules.product_matching import match_products
from tests.makers import NOON, make_product
from tests.recommendations.merchandising.ten_products import make_rule, make_ten_products


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ({"category": "Kitchen"}, [0, 1, 2, 3, 4]),
        ({"category": "Kitchen > Kettles"}, [2, 3, 4]),
        ({"category": "Kitch"}, []),
        ({"brand": "Bolt"}, [5, 6, 7]),
        ({"brand": "bolt"}, []),
        ({"product_ids": ["p3", "unknown", "p1", "p3"]}, [1, 3]),
        ({"attribute_name": "color", "attribute_value": "blue"}, [0, 3, 6]),
        ({"attribute_name": "size", "attribute_value": "blue"}, []),
        ({"tag": "sale"}, [2, 3]),
        ({"price_from": Decimal(80)}, [7, 8]),
        ({"price_to": Decimal("20.00")}, [0, 1]),
        ({"price_from": Decimal(30), "price_to": Decimal(40)}, [2, 3]),
        ({"margin_from": Decimal("0.3")}, [2, 3, 4, 5]),
        ({"margin_from": Decimal("-1"), "margin_to": Decimal("0.1")}, [0, 6]),
        ({"stock_from": 6}, [5, 6, 9]),
        ({"stock_to": 1}, [0, 8]),
        ({"new_within_days": 5}, [0, 1, 2, 3]),
        ({"category": "Kitchen", "brand": "Acme", "price_from": Decimal(20), "tag": "sale"}, [2, 3]),
        ({"category": "Kitchen", "brand": "Bolt"}, []),
    ],
)
def test_conditions_match_the_expected_products(condition: dict[str, Any], rows: list[int]) -> None:
    mask = match_products(rule=make_rule("hide", **condition), columns=make_ten_products(), now=NOON)
    assert mask.nonzero()[0].tolist() == rows


def test_an_attribute_is_compared_by_its_text_and_a_list_by_its_members() -> None:
    assert list_attribute_values("blue") == ["blue"]
    assert list_attribute_values(1.7) == ["1.7"]
    assert list_attribute_values(42) == ["42"]
    assert list_attribute_values(True) == ["true"]
    assert list_attribute_values(["a", ["b"], None]) == ["a", "b"]
    assert list_attribute_values({"a": 1}) == []
    assert list_attribute_values(None) == []


@pytest.mark.django_db
def test_columns_read_from_the_database_match_the_products() -> None:
    make_product(
        "a", price=Decimal(10), cost=Decimal(7), stock=3, brand="Acme", category="Kitchen > Kettles", tags=["x"]
    )
    make_product("b", price=None, cost=Decimal(7), stock=0, attributes={"color": ["blue", "red"], "size": 42})
    make_product("c", availability="out_of_stock", is_active=False, published_at=NOON)
    make_product("d", published_at=NOON + timedelta(days=1), attributes={"color": "blue"})
    columns = read_product_columns(now=NOON)
    assert columns.visible.tolist() == [True, True, False, False]
    assert columns.in_stock.tolist() == [True, False, False, True]
    assert columns.margin.tolist()[0] == pytest.approx(0.3)
    assert [str(value) for value in columns.margin[1:]] == ["nan", "nan", "nan"]
    assert [columns.find_row(name) for name in ("a", "d", "e")] == [0, 3, -1]

    def match(**condition: Any) -> list[int]:
        return match_products(rule=make_rule("hide", **condition), columns=columns, now=NOON).nonzero()[0].tolist()

    assert match(category="Kitchen") == [0]
    assert match(brand="Acme", tag="x") == [0]
    assert match(attribute_name="color", attribute_value="blue") == [1, 3]
    assert match(attribute_name="size", attribute_value="42") == [1]
    assert match(margin_from=Decimal("0.3")) == [0]
    aligned = read_product_columns(now=NOON, product_ids=["d", "gone", "a"])
    assert aligned.visible.tolist() == [False, False, True]
    assert [aligned.find_row(name) for name in ("a", "gone", "b")] == [2, 1, -1]


@pytest.mark.django_db
def test_columns_follow_changes_of_products_and_categories() -> None:
    product = make_product("a", category="Kitchen", is_active=False)
    assert read_product_columns(now=NOON).visible.tolist() == [False]
    product.is_active = True
    product.save()
    assert read_product_columns(now=NOON).visible.tolist() == [True]
    Category.objects.filter(path="Kitchen").update(path="Cooking")
    assert list(read_product_columns(now=NOON).categories) == ["Cooking"]
    make_product("b")
    assert read_product_columns(now=NOON).n == 2
    product.delete()
    assert read_product_columns(now=NOON).n == 1
