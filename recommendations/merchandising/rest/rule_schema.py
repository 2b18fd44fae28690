"""What a rule as a whole must be, as JSON Schema for the OpenAPI document; `checking` says the same and more in words."""

from typing import Any

from recommendations.merchandising.choices import LAST_POSITION, MOST_PINNED, Action
from recommendations.merchandising.rules.validation import CONDITIONS, FACTORS

type Schema = dict[str, Any]

NOTHING: Schema = {"nullable": True, "enum": [None]}
TEXT: Schema = {"type": "string", "pattern": r"[^\u0000\s]"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "number"}]}
# what a condition is where it is given
GIVEN: dict[str, Schema] = {
    **dict.fromkeys(("category", "brand", "tag", "attribute_name"), TEXT),
    **dict.fromkeys(("price_from", "price_to", "margin_from", "margin_to"), NUMBER),
    **dict.fromkeys(("stock_from", "stock_to", "new_within_days"), WHOLE),
    "product_ids": {"type": "array", "minItems": 1},
}


def rule_schema() -> Schema:
    """Each action with what it needs; and at least one condition on the products."""
    return {
        "oneOf": [pin(), *(of_action(action) for action in Action if action != Action.PIN)],
        "anyOf": [{"required": [name], "properties": {name: GIVEN[name]}} for name in CONDITIONS],
    }


def pin() -> Schema:
    return {
        "title": Action.PIN.value,
        "required": ["action", "position", "product_ids"],
        "properties": {
            "action": {"type": "string", "enum": [Action.PIN.value]},
            "position": {"type": "integer", "minimum": 1, "maximum": LAST_POSITION},
            "product_ids": {"type": "array", "minItems": 1, "maxItems": MOST_PINNED},
            "factor": NOTHING,
        },
    }


def of_action(action: Action) -> Schema:
    factor, needed = NOTHING, ["action"]
    if action in FACTORS:
        low, high = FACTORS[action]
        number = {"type": "number", "minimum": float(low), "maximum": float(high)}
        factor, needed = {"anyOf": [{"type": "string"}, number]}, ["action", "factor"]
    return {
        "title": action.value,
        "required": needed,
        "properties": {
            "action": {"type": "string", "enum": [action.value]},
            "position": NOTHING,
            "factor": factor,
        },
    }
