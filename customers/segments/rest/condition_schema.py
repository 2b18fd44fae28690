"""Builds the JSON Schema of conditions for the OpenAPI document, from the same registry as the parser."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import ResolvedComponent

from customers.segments.conditions.fields import (
    FIELDS,
    OPERATORS,
    OPERATORS_OF_TYPE,
    TRAIT_PREFIX,
    ConditionField,
    FieldType,
    Operand,
)
from customers.segments.conditions.parsing import MAX_NODES, MAX_TIMES
from customers.segments.conditions.value_parsing import MAX_DAYS, MAX_NUMBER, MAX_TEXT, MAX_VALUES

NAME = "Condition"
# The schema under this key replaces its parent after drf-spectacular has named all enumerations: it would mistake fields of
# the same name in several alternatives for one field.
VERBATIM = "x-verbatim"
TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"^[^\u0000]*$"}
NUMBER = {"type": "number", "minimum": 1 - MAX_NUMBER, "maximum": MAX_NUMBER - 1}
FLAG = {"type": "boolean"}
MOMENT = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
TRAIT = {"type": "string", "pattern": rf"^{TRAIT_PREFIX.replace('.', r'\.')}[^\u0000]{{1,100}}$"}
ORDERS = ("lt", "lte", "gt", "gte")

type Schema = dict[str, Any]


class ConditionFieldExtension(OpenApiSerializerFieldExtension):
    target_class = "customers.segments.rest.serializers.ConditionTreeField"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Schema:
        """Return a component for requests.

        In responses a condition may be outdated, or empty for a static segment.
        """
        if direction == "response":
            return {}
        return register_components(auto_schema, build_condition_components())


def register_components(auto_schema: Any, components: dict[str, Schema]) -> Schema:
    """Add schemas to the document; return a reference to the first."""
    references = []
    for name, schema in components.items():
        component = ResolvedComponent(name, ResolvedComponent.SCHEMA, {VERBATIM: schema}, name)
        auto_schema.registry.register_on_missing(component)
        references.append(dict(component.ref))
    return references[0]


def refer_to(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def build_condition_components() -> dict[str, Schema]:
    """Return the condition and its groups.

    Each group is a component, because generators of clients drop a union that contains itself without a name in between. The schema
    cannot express that names must exist and that segments must not form a cycle.
    """
    children = {"type": "array", "items": refer_to(NAME), "maxItems": MAX_NODES - 1}
    groups = {
        f"{NAME}All": build_object({"all": children}),
        f"{NAME}Any": build_object({"any": {**children, "minItems": 1}}),
        f"{NAME}Not": build_object({"not": refer_to(NAME)}),
    }
    groups |= {f"{NAME}Sequence": build_sequence()}
    condition = {
        "description": "A tree of all, any, not and comparisons; an empty all matches all customers.",
        "oneOf": [*map(refer_to, groups), *build_comparisons()],
    }
    return {NAME: condition, **groups, **build_sequence_steps()}


def build_object(properties: Schema, *, optional: Schema | None = None) -> Schema:
    """Return the schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
        "additionalProperties": False,
    }


def build_sequence() -> Schema:
    """Return the schema of two events in sequence."""
    step = {"oneOf": [refer_to(name) for name in build_sequence_steps()]}
    return add_event_time(
        {
            "sequence": {"type": "array", "items": step, "minItems": 2, "maxItems": 2},
            "gap_days": build_integer(0, MAX_DAYS),
        }
    )


def build_sequence_steps() -> dict[str, Schema]:
    """Return the schemas of the events that a sequence may contain: with the names of products, and without."""
    events = [field for field in FIELDS.values() if field.kind == FieldType.EVENT]
    names = {"type": "string", "enum": [field.name for field in events if field.takes_names]}
    others = {"type": "string", "enum": [field.name for field in events if not field.takes_names]}
    values = build_operand(Operand.MANY, TEXT)
    return {
        f"{NAME}NamedStep": build_object({"field": names, "value": values}),
        f"{NAME}Step": build_object({"field": others}),
    }


def add_event_time(properties: Schema, *, optional: Schema | None = None) -> Schema:
    """Return the schema of an object with the days of an event: the last so many, or between two dates."""
    times = {
        "within_days": {**build_integer(1, MAX_DAYS), "nullable": True},
        "between": {"type": "array", "items": MOMENT, "minItems": 2, "maxItems": 2},
    }
    schema = build_object(properties, optional={**(optional or {}), **times})
    return {**schema, "not": {"required": list(times)}}


def build_comparisons() -> Iterator[Schema]:
    """Yield one schema per operand type and group of fields with the same operators and values."""
    similar_fields: dict[str, list[ConditionField]] = {}
    for field in FIELDS.values():
        similar_fields.setdefault(
            repr((field.kind == FieldType.EVENT, field.takes_names, field.operators, build_value(field))), []
        ).append(field)
    for fields in similar_fields.values():
        names = {"type": "string", "enum": [field.name for field in fields]}
        yield from build_comparisons_of(names, fields[0].operators, build_value(fields[0]), fields[0])
    others = [name for name in OPERATORS_OF_TYPE[FieldType.TRAIT] if name not in (*ORDERS, "contains")]
    yield from build_comparisons_of(TRAIT, tuple(others), {"anyOf": [TEXT, NUMBER, FLAG]})
    yield from build_comparisons_of(TRAIT, ORDERS, NUMBER)
    yield from build_comparisons_of(TRAIT, ("contains",), TEXT)


def build_comparisons_of(
    names: Schema, operators: tuple[str, ...], value: Schema, field: ConditionField | None = None
) -> Iterator[Schema]:
    is_event = field is not None and field.kind == FieldType.EVENT
    for takes in Operand:
        if not (matching_operators := [name for name in operators if OPERATORS[name].takes == takes]):
            continue
        properties: Schema = {"field": names}
        values = build_operand(takes, value)
        if values is not None and not (is_event and field is not None and not field.takes_names):
            properties["value"] = values
        if is_event:
            yield from build_event_comparisons(properties, matching_operators)
        else:
            yield build_object({**properties, "op": {"type": "string", "enum": matching_operators}})


def build_event_comparisons(properties: Schema, operators: list[str]) -> Iterator[Schema]:
    """Yield the schema of "never", and of the operators that compare a number of times."""
    times = {"times": build_integer(1, MAX_TIMES)}
    counting = [name for name in operators if name != "never"]
    yield add_event_time({**properties, "op": {"type": "string", "enum": ["never"]}})
    yield add_event_time({**properties, "op": {"type": "string", "enum": counting}}, optional=times)


def build_operand(takes: Operand, value: Schema) -> Schema | None:
    match takes:
        case Operand.ONE:
            return value
        case Operand.MANY:
            return {"type": "array", "items": value, "minItems": 1, "maxItems": MAX_VALUES}
        case Operand.RANGE:
            return {"type": "array", "items": value, "minItems": 2, "maxItems": 2}
        case Operand.DAYS:
            return build_integer(0, MAX_DAYS)
    return None


def build_value(field: ConditionField) -> Schema:
    match field.kind:
        case FieldType.NUMBER:
            bounds = {"minimum": field.low, "maximum": field.high}
            return {**NUMBER, **{name: bound for name, bound in bounds.items() if bound is not None}}
        case FieldType.INTEGER:
            high = MAX_NUMBER - 1 if field.high is None else int(field.high)
            return build_integer(1 - MAX_NUMBER if field.low is None else int(field.low), high)
        case FieldType.CHOICE:
            return {"type": "string", "enum": [value for value, _label in field.choices]}
        case FieldType.MOMENT | FieldType.FUTURE_MOMENT:
            return MOMENT
        case FieldType.FLAG:
            return FLAG
    return TEXT


def build_integer(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}
