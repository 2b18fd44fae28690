"""The JSON Schema of a valid rule for the OpenAPI document, derived from `rules.validation`."""

from typing import Any

from recommendations.merchandising.choices import MAX_PINNED_PRODUCTS, MAX_POSITION, RuleAction
from recommendations.merchandising.rules.validation import (
    CONDITIONS,
    DECIMAL_CONDITIONS,
    FACTOR_LIMITS,
    INTEGER_CONDITIONS,
    LIST_CONDITIONS,
    TEXT_CONDITIONS,
)

type Schema = dict[str, Any]

NULL_SCHEMA: Schema = {"nullable": True, "enum": [None]}
TEXT_SCHEMA: Schema = {"type": "string", "pattern": r"[^\u0000\s]"}
INTEGER_SCHEMA: Schema = {"type": "integer"}
NUMBER_SCHEMA: Schema = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "number"}]}
# the schema of a condition that is set
CONDITION_SCHEMAS: dict[str, Schema] = {
    **dict.fromkeys(TEXT_CONDITIONS, TEXT_SCHEMA),
    **dict.fromkeys(DECIMAL_CONDITIONS, NUMBER_SCHEMA),
    **dict.fromkeys(INTEGER_CONDITIONS, INTEGER_SCHEMA),
    **{name: {"type": "array", "items": {"type": "string"}, "minItems": 1} for name in LIST_CONDITIONS},
}


def build_rule_schema() -> Schema:
    """Return a schema that requires the fields of the action and a condition on products."""
    return {
        "oneOf": [
            build_pin_schema(),
            *(build_action_schema(action) for action in RuleAction if action != RuleAction.PIN),
        ],
        "anyOf": [{"required": [name], "properties": {name: CONDITION_SCHEMAS[name]}} for name in CONDITIONS],
    }


def build_pin_schema() -> Schema:
    return {
        "title": RuleAction.PIN.value,
        "required": ["action", "position", "product_ids"],
        "properties": {
            "action": {"type": "string", "enum": [RuleAction.PIN.value]},
            "position": {"type": "integer", "minimum": 1, "maximum": MAX_POSITION},
            "product_ids": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "maxItems": MAX_PINNED_PRODUCTS,
            },
            "factor": NULL_SCHEMA,
        },
    }


def build_action_schema(action: RuleAction) -> Schema:
    factor, required = NULL_SCHEMA, ["action"]
    if action in FACTOR_LIMITS:
        low, high = FACTOR_LIMITS[action]
        number = {"type": "number", "minimum": float(low), "maximum": float(high)}
        # As text, a number has no minimum in JSON Schema: its limits are checked by the serializer only.
        factor, required = {"anyOf": [{"type": "string"}, number]}, ["action", "factor"]
    return {
        "title": action.value,
        "required": required,
        "properties": {
            "action": {"type": "string", "enum": [action.value]},
            "position": NULL_SCHEMA,
            "factor": factor,
        },
    }
