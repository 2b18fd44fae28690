"""Random trees keep their meaning as text and as JSON, and random products are found as one by one."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from customers.segments.conditions.fields import OPERATORS, Operand
from recommendations.serving.expressions.attributes import PRODUCT_ATTRIBUTES, AttributeKind, find_attribute
from recommendations.serving.expressions.comparison_checks import MAX_LENGTH, build_comparison
from recommendations.serving.expressions.expression import (
    ExpressionNegation,
    ExpressionNode,
    bind_expression,
    build_expression,
    build_group,
    to_json,
)
from recommendations.serving.expressions.parsing import parse_filter
from recommendations.serving.expressions.product_masks import compute_mask
from tests.recommendations.serving.expressions.product_tables import NOW, is_match, make_index

WORDS = st.sampled_from(["A", "b", "AB", 'q"\\', "红 茶", "and", "5", "05", "true", "x > y"])
TEXTS = WORDS | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
NUMBERS = st.sampled_from([0, 1, 5, 19.99, -3, 0.25]) | st.floats(-1e9, 1e9, allow_nan=False, width=32)
DAYS = st.sampled_from(["2026-11-24", "2026-11-20", "2026-11-24T11:00:00+00:00"])
PATHS = st.sampled_from(["Drinks", "Drinks > Tea", "Drinks > Tea > Green", "Drinking"])
CATALOG_NAMES = st.sampled_from(["attributes.size", "attributes.颜色", "attributes.screen size", 'attributes."'])
NAMES = CATALOG_NAMES | st.sampled_from(sorted(PRODUCT_ATTRIBUTES))
VALUES_OF_KIND = {
    AttributeKind.TEXT: TEXTS,
    AttributeKind.TAGS: TEXTS,
    AttributeKind.CATEGORY: PATHS,
    AttributeKind.NUMBER: NUMBERS,
    AttributeKind.FLAG: st.booleans(),
    AttributeKind.MOMENT: DAYS,
    AttributeKind.CATALOG: TEXTS | NUMBERS | st.booleans(),
}


@st.composite
def comparisons(draw: Any) -> ExpressionNode:
    attribute = find_attribute(draw(NAMES))
    assert attribute is not None
    op = draw(st.sampled_from(attribute.operators))
    values = VALUES_OF_KIND[attribute.kind]
    if attribute.kind == AttributeKind.CATALOG and op in ("lt", "lte", "gt", "gte", "between"):
        values = NUMBERS
    elif attribute.kind == AttributeKind.CATALOG and op in ("starts_with", "contains"):
        values = TEXTS
    match OPERATORS[op].takes:
        case Operand.MANY:
            raw = draw(st.lists(values, min_size=1, max_size=3))
        case Operand.RANGE:
            raw = sorted(draw(st.lists(values, min_size=2, max_size=2)))
        case Operand.DAYS:
            raw = draw(st.integers(0, 40))
        case _:
            raw = draw(values)
    return build_comparison(attribute, op, raw)


def combine(children: st.SearchStrategy[ExpressionNode]) -> st.SearchStrategy[ExpressionNode]:
    groups = st.builds(
        lambda every, items: build_group(every=every, children=items),
        st.booleans(),
        st.lists(children, min_size=1, max_size=3),
    )
    return groups | children.map(ExpressionNegation)


TREES = st.recursive(comparisons(), combine, max_leaves=6).filter(
    lambda tree: len(build_expression(tree).text) <= MAX_LENGTH
)
PRODUCTS = st.fixed_dictionaries(
    {},
    optional={
        "title": TEXTS | st.just(""),
        "sku": TEXTS,
        "brand": TEXTS | st.just(""),
        "category__path": PATHS,
        "price": st.sampled_from([Decimal("0.25"), Decimal("5.00"), Decimal("19.99")]),
        "cost": st.sampled_from([Decimal("0.00"), Decimal("0.25")]),
        "currency": st.sampled_from(["EUR", "A"]),
        "stock": st.sampled_from([0, 1, 5]),
        "tags": st.lists(WORDS, max_size=2),
        "published_at": st.integers(0, 40).map(lambda days: NOW - timedelta(days=days, hours=3)),
        "created_at": st.integers(0, 40).map(lambda days: NOW - timedelta(days=days)),
        "attributes": st.dictionaries(
            st.sampled_from(["size", "颜色", "screen size", '"']),
            WORDS | NUMBERS | st.booleans() | st.none() | st.lists(WORDS | st.integers(0, 5), max_size=2),
        ),
    },
)


@settings(deadline=None, max_examples=200)
@given(TREES)
def test_a_tree_is_the_same_after_writing_and_reading_it(tree: ExpressionNode) -> None:
    expression = build_expression(tree)
    assert parse_filter(expression.text).tree == tree
    assert parse_filter(to_json(tree)).tree == tree
    assert parse_filter(expression.text) == expression == parse_filter(f" ( {expression.text} )  ")


@settings(deadline=None, max_examples=200)
@given(TREES, st.lists(PRODUCTS, max_size=4))
def test_the_products_found_are_those_found_one_by_one(tree: ExpressionNode, products: list[dict[str, Any]]) -> None:
    index = make_index(products)
    mask = compute_mask(bind_expression(build_expression(tree), NOW), index)
    expected = [is_match(tree, {"product_id": f"p{number}", **fields}) for number, fields in enumerate(products)]
    assert mask[: len(products)].tolist() == expected
