"""The condition tree as JSON Schema for the OpenAPI document, made of the same registry that conditions are read by."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import ResolvedComponent

from customers.segments.conditions.fields import (
    FIXED_FIELDS,
    OPERATORS,
    OPERATORS_OF_KIND,
    TRAIT_PREFIX,
    Field,
    Kind,
    Takes,
)
from customers.segments.conditions.parsing import MAX_DAYS, MAX_NODES, MAX_NUMBER, MAX_TEXT, MAX_TIMES, MAX_VALUES

NAME = "Condition"
# what stands below this key is put in its place when drf-spectacular has named all enumerations, which it takes for one where fields
# of alternatives have one name
VERBATIM = "x-verbatim"
TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"^[^\u0000]*$"}
NUMBER = {"type": "number", "minimum": 1 - MAX_NUMBER, "maximum": MAX_NUMBER - 1}
FLAG = {"type": "boolean"}
MOMENT = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
TRAIT = {"type": "string", "pattern": rf"^{TRAIT_PREFIX.replace('.', r'\.')}[^\u0000]{{1,100}}$"}
ORDERS = ("lt", "lte", "gt", "gte")

type Schema = dict[str, Any]


class ConditionFieldExtension(OpenApiSerializerFieldExtension):
    target_class = "customers.segments.rest.serializers.ConditionField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Schema:
        """A component for requests; an answer may also hold a condition that no longer works, or that of a list, which is empty."""
        if direction == "response":
            return {}
        component = ResolvedComponent(NAME, ResolvedComponent.SCHEMA, {VERBATIM: condition_schema()}, NAME)
        auto_schema.registry.register_on_missing(component)
        return dict(component.ref)


def condition_schema() -> Schema:
    """All, any, not, or a comparison; that names exist and that no segments form a circle it cannot say."""
    inner = {"$ref": f"#/components/schemas/{NAME}"}
    some = {"type": "array", "items": inner, "maxItems": MAX_NODES - 1}
    groups = [only({"all": some}), only({"any": {**some, "minItems": 1}}), only({"not": inner})]
    return {
        "description": "A tree of all, any, not and comparisons; an empty all is everybody.",
        "oneOf": [*groups, *comparisons()],
    }


def only(properties: Schema, *, optional: Schema | None = None) -> Schema:
    """An object of these properties and no others."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
        "additionalProperties": False,
    }


def comparisons() -> Iterator[Schema]:
    """One schema for the fields that share operators and values, and each way in which an operator takes its value."""
    alike: dict[str, list[Field]] = {}
    for field in FIXED_FIELDS:
        alike.setdefault(repr((field.name == "bought.any", field.operators, value_of(field))), []).append(field)
    for fields in alike.values():
        names = {"type": "string", "enum": [field.name for field in fields]}
        yield from comparisons_of(names, fields[0].operators, value_of(fields[0]), fields[0])
    others = [name for name in OPERATORS_OF_KIND[Kind.TRAIT] if name not in (*ORDERS, "contains")]
    yield from comparisons_of(TRAIT, tuple(others), {"anyOf": [TEXT, NUMBER, FLAG]})
    yield from comparisons_of(TRAIT, ORDERS, NUMBER)
    yield from comparisons_of(TRAIT, ("contains",), TEXT)


def comparisons_of(
    names: Schema, operators: tuple[str, ...], value: Schema, field: Field | None = None
) -> Iterator[Schema]:
    bought = field is not None and field.kind == Kind.BOUGHT
    optional = {"times": whole(1, MAX_TIMES), "within_days": {**whole(1, MAX_DAYS), "nullable": True}} if bought else {}
    for takes in Takes:
        if not (fitting := [name for name in operators if OPERATORS[name].takes == takes]):
            continue
        properties: Schema = {"field": names, "op": {"type": "string", "enum": fitting}}
        values = values_of(takes, value)
        if values is not None and not (field is not None and field.name == "bought.any"):
            properties["value"] = values
        yield only(properties, optional=optional)


def values_of(takes: Takes, value: Schema) -> Schema | None:
    match takes:
        case Takes.ONE:
            return value
        case Takes.MANY:
            return {"type": "array", "items": value, "minItems": 1, "maxItems": MAX_VALUES}
        case Takes.RANGE:
            return {"type": "array", "items": value, "minItems": 2, "maxItems": 2}
        case Takes.DAYS:
            return whole(0, MAX_DAYS)
    return None


def value_of(field: Field) -> Schema:
    match field.kind:
        case Kind.NUMBER:
            return NUMBER if field.low is None else {**NUMBER, "minimum": field.low}
        case Kind.WHOLE:
            high = MAX_NUMBER - 1 if field.high is None else int(field.high)
            return whole(1 - MAX_NUMBER if field.low is None else int(field.low), high)
        case Kind.CHOICE:
            return {"type": "string", "enum": [value for value, _label in field.choices]}
        case Kind.MOMENT | Kind.COMING:
            return MOMENT
        case Kind.FLAG:
            return FLAG
    return TEXT


def whole(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}
