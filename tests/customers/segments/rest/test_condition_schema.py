"""The JSON Schema of conditions accepts what the parser accepts, as far as a schema can express it."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.conditions.fields import FIELDS
from customers.segments.conditions.parsing import parse_condition
from customers.segments.rest.condition_schema import NAME, build_condition_components

VALID: list[Any] = [
    {"all": []},
    {"any": [{"field": "stage", "op": "eq", "value": "loyal"}]},
    {"not": {"all": [{"field": "r", "op": "between", "value": [1, 5]}]}},
    {"field": "stage", "op": "in", "value": ["loyal", "new"]},
    {"field": "revenue", "op": "gte", "value": 19.9},
    {"field": "last_order_at", "op": "within_days", "value": 30},
    {"field": "last_order_at", "op": "before", "value": "2026-11-24"},
    {"field": "next_stage_change_at", "op": "within_next_days", "value": 7},
    {"field": "language", "op": "is_not_set"},
    {"field": "identified", "op": "eq", "value": True},
    {"field": "bought.any", "op": "at_least", "times": 3, "within_days": 90},
    {"field": "bought.product", "op": "fewer_than", "value": ["tea-1"], "times": 2},
    {"field": "viewed.category", "op": "exactly", "value": ["Food"], "times": 2, "within_days": 7},
    {"field": "added.brand", "op": "never", "value": ["Acme"], "between": ["2026-11-01", "2026-11-30"]},
    {"field": "searched", "op": "at_most", "times": 3},
    {"sequence": [{"field": "viewed.product", "value": ["tea"]}, {"field": "bought.any"}], "gap_days": 2},
    {"sequence": [{"field": "searched"}, {"field": "added.any"}], "gap_days": 0, "within_days": 30},
    {"field": "favorite_brand", "op": "not_in", "value": ["tea house"]},
    {"field": "consent.email", "op": "eq", "value": "none"},
    {"field": "segment", "op": "in", "value": ["all-customers"]},
    {"field": "traits.income", "op": "lt", "value": 5},
    {"field": "traits.income", "op": "in", "value": ["low", 5, True]},
    {"field": "traits.sizes", "op": "includes", "value": "M"},
    {"field": "traits.note", "op": "contains", "value": "tea"},
]
INVALID: list[Any] = [
    None,
    [],
    {},
    {"any": []},
    {"all": [], "any": [{"all": []}]},
    {"all": [], "because": 1},
    {"field": "nothing", "op": "eq", "value": 1},
    {"field": "stage", "op": "lt", "value": "loyal"},
    {"field": "stage", "op": "eq", "value": "asleep"},
    {"field": "stage", "op": "eq"},
    {"field": "r", "op": "eq", "value": 6},
    {"field": "r", "op": "eq", "value": 2.5},
    {"field": "revenue", "op": "gte", "value": "19.9"},
    {"field": "revenue", "op": "between", "value": [1]},
    {"field": "last_order_at", "op": "within_days", "value": -1},
    {"field": "language", "op": "is_set", "value": "en"},
    {"field": "bought.any", "op": "at_least", "value": ["tea-1"]},
    {"field": "bought.product", "op": "at_least", "value": [], "times": 1},
    {"field": "viewed.any", "op": "never", "times": 2},
    {"field": "viewed.any", "op": "exactly", "within_days": 3, "between": ["2026-11-01", "2026-11-30"]},
    {"field": "viewed.any", "op": "exactly", "between": ["2026-11-01"]},
    {"field": "viewed.category", "op": "at_least"},
    {"sequence": [{"field": "viewed.any"}], "gap_days": 1},
    {"sequence": [{"field": "viewed.any"}, {"field": "viewed.any"}]},
    {"sequence": [{"field": "viewed.any", "value": ["tea"]}, {"field": "viewed.any"}], "gap_days": 1},
    {"sequence": [{"field": "stage"}, {"field": "viewed.any"}], "gap_days": 1},
    {"sequence": [{"field": "viewed.product"}, {"field": "viewed.any"}], "gap_days": 1},
    {"sequence": [1, {"field": "viewed.any"}], "gap_days": 1},
    {"field": "traits.", "op": "eq", "value": 1},
    {"field": "traits.income", "op": "lt", "value": "5"},
    {"field": "traits.note", "op": "contains", "value": 5},
]


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = {"$ref": f"#/components/schemas/{NAME}", "components": {"schemas": build_condition_components()}}
    return Draft202012Validator(schema)


@pytest.mark.parametrize("condition", VALID)
def test_valid_conditions_match_the_schema(validator: Draft202012Validator, condition: Any) -> None:
    parse_condition(condition)
    assert validator.is_valid(condition)


@pytest.mark.parametrize("condition", INVALID)
def test_invalid_conditions_do_not_match_the_schema(validator: Draft202012Validator, condition: Any) -> None:
    with pytest.raises(ConditionError):
        parse_condition(condition)
    assert not validator.is_valid(condition)


def test_schema_contains_every_field_and_operator() -> None:
    expected_text = {
        (name, op)
        for way in build_condition_components()[NAME]["oneOf"]
        if "enum" in way.get("properties", {}).get("field", {})
        for name in way["properties"]["field"]["enum"]
        for op in way["properties"]["op"]["enum"]
    }
    assert expected_text == {(field.name, op) for field in FIELDS.values() for op in field.operators}
