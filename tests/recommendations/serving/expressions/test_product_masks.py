"""Which products match, for products whose answers are known."""

from decimal import Decimal

import pytest

from recommendations.engine import IdMap
from recommendations.serving.expressions.expression import bind_boosts, bind_expression
from recommendations.serving.expressions.parsing import parse_boosts, parse_filter
from recommendations.serving.state.product_index import ProductFilters, ProductIndex
from tests.recommendations.serving.expressions.product_tables import NOW, make_index

PRODUCTS = [
    {"title": "Green Tea", "brand": "Leaf", "category__path": "Drinks > Tea", "price": Decimal("19.99"), "currency": "EUR",
     "tags": ["sale", "organic"], "attributes": {"size": "5", "color": ["green", "white"]}, "stock": 3},
    {"title": "Tea pot", "brand": "leaf", "category__path": "Drinks", "price": Decimal("20.00"), "currency": "EUR",
     "attributes": {"size": 5.5, "color": "green", "vegan": True}, "cost": Decimal("10.00")},
    {"title": "茶", "category__path": "Drinks > Tea > Green", "tags": ["organic"], "stock": 0},
    {"title": "Drinking straw", "category__path": "Drinks and more", "price": Decimal("1.00"), "currency": "USD"},
]  # fmt: skip


@pytest.fixture(scope="module")
def index() -> ProductIndex:
    return make_index(PRODUCTS)


def find(index: ProductIndex, text: str) -> str:
    """Return the numbers of the products that match."""
    mask = index.get_expression_mask(bind_expression(parse_filter(text), NOW))
    return "".join(str(number) for number in range(len(PRODUCTS)) if mask[number])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('category:"Drinks"', "012"),
        ('category:"Drinks > Tea"', "02"),
        ('category != "Drinks > Tea"', "13"),
        ("price = 19.99", "0"),
        ("price < 20", "03"),
        ("not price < 20", "12"),
        ("price >= 20", "1"),
        ("price is_not_set", "2"),
        ('brand:"Leaf"', "0"),
        ('brand contains "LEAF"', "01"),
        ('brand != "Leaf"', "123"),
        ('tag:"organic"', "02"),
        ('not tag:"sale"', "123"),
        ('tag in ("sale", "new")', "0"),
        ('attributes.color:"green"', "01"),
        ('attributes.color != "green"', "23"),
        ('attributes.color:"white" and attributes.color:"green"', "0"),
        ("attributes.size = 5", "0"),
        ('attributes.size = "5"', "0"),
        ("attributes.size between 5 and 6", "01"),
        ("attributes.vegan = true", "1"),
        ("attributes.vegan is_set", "1"),
        ("attributes.unheard_of is_set", ""),
        ("not attributes.unheard_of is_set", "0123"),
        ('title starts_with "tea"', "1"),
        ('title contains "tea"', "01"),
        ('product_id in ("p1", "p3", "unheard of")', "13"),
        ("in_stock = true", "013"),
        ("in_stock = false", "2"),
        ("stock <= 3", "02"),
        ("margin = 0.5", "1"),
        ('currency:"EUR" or currency:"USD"', "013"),
        ('brand:"Leaf" or price < 2 and currency:"USD"', "03"),
    ],
)
def test_the_products_that_match(index: ProductIndex, text: str, expected: str) -> None:
    assert find(index, text) == expected


def test_a_filter_is_cached_until_a_product_changes(index: ProductIndex) -> None:
    index = make_index(PRODUCTS)
    filters = ProductFilters(expression=bind_expression(parse_filter('tag:"sale"'), NOW))
    assert index.get_mask(filters) is index.get_mask(filters)
    same = ProductFilters(expression=bind_expression(parse_filter({"field": "tag", "op": "eq", "value": "sale"}), NOW))
    assert index.get_mask(same) is index.get_mask(filters)
    index.values.write(1, [("", "sale")])
    index._publish(NOW, changed=True)
    assert index.get_mask(filters).nonzero()[0].tolist() == [0, 1]


def test_products_keep_their_values_when_they_are_rearranged(index: ProductIndex) -> None:
    other = index.rearrange(IdMap.of(["p3", "p1"]))
    mask = other.get_expression_mask(bind_expression(parse_filter('tag:"sale" or currency:"USD"'), NOW))
    assert other.product_ids[:4] == ["p1", "p3", "p0", "p2"]
    assert mask.nonzero()[0].tolist() == [1, 2]


def test_boosts_are_multiplied(index: ProductIndex) -> None:
    boosts = parse_boosts('category:"Drinks" ^ 2, brand:"Leaf" ^ 10, tag:"sale" ^ 10, price = 1 ^ 0.5')
    assert index.get_boosts(bind_boosts(boosts, NOW))[:4].tolist() == [100, 2, 2, 0.5]
