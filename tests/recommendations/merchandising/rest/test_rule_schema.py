"""The JSON Schema of a rule accepts valid rules and rejects invalid ones as far as a schema can."""

from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from recommendations.merchandising.models import Rule
from recommendations.merchandising.rest.rule_schema import build_rule_schema
from recommendations.merchandising.rules.validation import find_rule_problems

VALIDATOR = Draft202012Validator(build_rule_schema())
VALID: list[dict[str, Any]] = [
    {"action": "pin", "position": 1, "product_ids": ["tea-1"]},
    {"action": "boost", "factor": 2, "category": "Drinks > tea"},
    {"action": "bury", "factor": 0.5, "brand": "tea house", "price_from": 5},
    {"action": "hide", "tag": "old"},
    {"action": "only", "stock_from": 0},
    {"action": "hide", "attribute_name": "size", "attribute_value": "M"},
]
INVALID: list[dict[str, Any]] = [
    {"action": "pin", "product_ids": ["tea-1"]},
    {"action": "pin", "position": 101, "product_ids": ["tea-1"]},
    {"action": "pin", "position": 1, "product_ids": []},
    {"action": "boost", "factor": 0.5, "category": "Drinks > tea"},
    {"action": "boost", "category": "Drinks > tea"},
    {"action": "bury", "factor": 2, "brand": "tea house"},
    {"action": "hide", "factor": 2, "tag": "old"},
    {"action": "hide", "position": 1, "tag": "old"},
    {"action": "hide"},
    {"action": "hide", "tag": ""},
]


def make_rule(body: dict[str, Any]) -> Rule:
    return Rule(**{name: Decimal(str(value)) if name == "factor" else value for name, value in body.items()})


@pytest.mark.parametrize("body", VALID)
def test_valid_rules_match_the_schema(body: dict[str, Any]) -> None:
    assert find_rule_problems(make_rule(body)) == {}
    assert VALIDATOR.is_valid(body)


@pytest.mark.parametrize("body", INVALID)
def test_invalid_rules_do_not_match_the_schema(body: dict[str, Any]) -> None:
    assert find_rule_problems(make_rule(body))
    assert not VALIDATOR.is_valid(body)
