"""Both forms of expressions, and what an error says about a wrong one."""

import pytest

from recommendations.serving.expressions.expression import ExpressionError, to_json
from recommendations.serving.expressions.parsing import parse_boosts, parse_filter

DEEP = {"field": "price", "op": "lt", "value": 1}


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        (
            'brand in ("A","B") and price<20 and not tag:"sale"',
            'brand in ("A", "B") and price < 20 and not tag = "sale"',
        ),
        ("price<1 or price>2 and in_stock=TRUE", "price < 1 or price > 2 and in_stock = true"),
        ("(price<1 or price>2) AND stock>=5.50", "(price < 1 or price > 2) and stock >= 5.5"),
        ("brand：“茶” AND（price BETWEEN 1 and 2）", 'brand = "茶" and price between 1 and 2'),
        ("sku not in ('a','it\\'s')", 'sku not in ("a", "it\'s")'),
        (
            'attributes.颜色 = "红" or attributes."screen size" > 5',
            'attributes.颜色 = "红" or attributes."screen size" > 5',
        ),
        ("published within_days 30 and brand is_set", "published within_days 30 and brand is_set"),
        ("margin eq -0.5", "margin = -0.5"),
        ('{"any": [{"field": "price", "op": "lt", "value": 5}]}', "price < 5"),
    ],
)
def test_a_text_is_normalized(text: str, normalized: str) -> None:
    assert parse_filter(text).text == normalized


def test_the_tree_is_the_one_of_the_segment_builder() -> None:
    tree = {
        "all": [
            {"field": "category", "op": "eq", "value": "Kitchen > Kettles"},
            {"not": {"any": [{"field": "price", "op": "between", "value": [5, 20]}, {"field": "tag", "op": "is_set"}]}},
        ]
    }
    expression = parse_filter(tree)
    assert expression.text == 'category = "Kitchen > Kettles" and not (price between 5 and 20 or tag is_set)'
    assert to_json(expression.tree) == tree
    assert parse_filter(expression.text) == expression


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('brnad:"A"', ["Position 1", '"brnad"', "Did you mean brand"]),
        ('color:"red"', ["Position 1", "attributes.color", "product_id, sku, title"]),
        ("price < ", ["Position 9", "ends too early"]),
        ('price < "20"', ["Position 9", "use a number", "without quotes"]),
        ("brand = A", ["Position 9", 'such as "A"']),
        ("brand = 5", ["Position 9", "5 is not valid for brand", "in quotes"]),
        ('brand = "A', ["Position 9", 'The quote " is not closed']),
        ("brand = “A", ["Position 9", "add ”"]),
        ('brand < "A"', ["Position 7", "Unknown operator", "eq, ne, in"]),
        ("in_stock = 1", ["Position 12", "use true or false"]),
        ('published after "soon"', ["Position 17", "2026-11-24"]),
        ("price between 5 and 1", ["Position 15", "swap them"]),
        ("price 5", ["Position 7", "An operator is missing after price", "<="]),
        ("price < 10cm", ["Position 9", '"10cm" is not a number']),
        ('brand:"A" brand:"B"', ["Position 11", "and, or, or the end"]),
        ("(price < 5", ["Position 11", "“)”"]),
        ("price < 5)", ["Position 10", '")" is not expected here']),
        ("price < 5; drop", ["Position 10", '";" is not expected']),
        ("「茶」", ["Position 1", "put text in quotes"]),
        ("(" * 17 + "price < 1" + ")" * 17, ["Position 17", "maximum is 16 levels"]),
        ("not " * 17 + "price < 1", ["maximum is 16 levels"]),
        (" or ".join(["price < 1"] * 101), ["maximum is 100", "Use in (…)"]),
        (" or ".join(['title contains "a"'] * 11), ["maximum is 10", "product_id, sku, title"]),
        ("a" * 10_000, ["Too long: 10000 characters; the maximum is 2000"]),
        ("(" * 2_000, ["maximum is 16 levels"]),
        ('{"all": [', ["not valid JSON"]),
        ('{"all":' * 250, ["not valid JSON"]),
    ],
)
def test_an_error_says_where_what_and_what_would_be_right(text: str, parts: list[str]) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_filter(text)
    assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("tree", "parts"),
    [
        ({"all": [DEEP, {"field": "brand", "op": "eq", "value": 5}]}, ["$.all[1].value", "in quotes"]),
        ({"field": "brnad", "op": "eq", "value": "A"}, ["$.field", "Did you mean brand"]),
        ({"field": ["brand"], "op": "eq", "value": "A"}, ["$.field", "Unknown attribute"]),
        ({"field": "price", "op": "like", "value": 5}, ["$.op", '"like"', "eq, ne, lt"]),
        ({"field": "price", "op": "lt"}, ["$.value", "null is not valid"]),
        ({"field": "price", "op": "lt", "value": float("nan")}, ["$.value"]),
        ({"field": "price", "op": "lt", "value": True}, ["$.value"]),
        ({"field": "price", "op": "between", "value": [1]}, ["$.value", "not a range"]),
        ({"field": "brand", "op": "is_set", "value": "A"}, ["$.value", "Unknown key"]),
        ({"field": "brand", "op": "in", "value": []}, ["$.value", "at least one value"]),
        ({"field": "brand", "op": "eq", "value": "\ud800"}, ["$.value"]),
        ({"any": []}, ["$.any", "at least one condition"]),
        ({"all": [], "any": []}, ["$:", '{"not": {…}}']),
        ({"not": DEEP, "price": 5}, ["$.price", "Unknown key"]),
        ([DEEP], ["$:", "is not a condition"]),
        ({"field": "sku", "op": "in", "value": ["x" * 100] * 30}, ["Too long"]),
    ],
)
def test_an_error_in_a_tree_names_its_path(tree: object, parts: list[str]) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_filter(tree)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_tree_cannot_be_nested_deeply() -> None:
    tree: object = DEEP
    for _level in range(15):
        tree = {"not": tree}
    assert parse_filter(tree).text.count("not") == 15
    with pytest.raises(ExpressionError, match="maximum is 16 levels"):
        parse_filter({"not": {"not": tree}})


def test_boosts_are_expressions_with_factors() -> None:
    boosts = parse_boosts('brand:"A" ^ 1.5, price < 10 or price > 90 ^ 0.8')
    assert [(boost.expression.text, boost.factor) for boost in boosts] == [
        ('brand = "A"', 1.5),
        ("price < 10 or price > 90", 0.8),
    ]
    as_list = [
        {"expression": 'brand:"A"', "factor": 1.5},
        {"expression": {"any": [DEEP | {"value": 10}, DEEP | {"op": "gt", "value": 90}]}, "factor": 0.8},
    ]
    assert parse_boosts(as_list) == boosts


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ('brand:"A"', ["Position 10", "expected: “^”"]),
        ('brand:"A" ^ 11', ["Position 13", "from 0.1 to 10"]),
        ('brand:"A" ^ 0', ["from 0.1 to 10"]),
        ('brand:"A" ^ x', ["Position 13", "The factor"]),
        ('brand:"A" ^ 2,', ["ends too early"]),
        (", ".join(["price < 1 ^ 2"] * 21), ["maximum is 20"]),
        ([{"expression": "price < x", "factor": 2}], ["$[0].expression", "Position 9"]),
        ([{"expression": "price < 1", "factor": "2"}], ["$[0].factor"]),
        ([{"filter": "price < 1", "factor": 2}], ["$[0]", "expression and factor"]),
        ([], ["1 to 20 objects"]),
    ],
)
def test_an_error_in_a_boost_says_where(raw: object, parts: list[str]) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_boosts(raw)
    assert [part for part in parts if part not in str(caught.value)] == []
