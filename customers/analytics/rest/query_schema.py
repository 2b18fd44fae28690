"""OpenAPI schemas of parameters and results, generated from the dataclasses of the questions."""

from typing import Any

import msgspec
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import ResolvedComponent

from customers.analytics.questions.registry import QUESTIONS
from customers.segments.rest.condition_schema import VERBATIM

# a prefix, so that no name equals that of another component
PREFIX = "Analytics"

type Schema = dict[str, Any]


def build_schemas(kinds: list[type[Any]]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return a reference to each dataclass, and the schemas of all dataclasses that they contain, by name."""
    references, components = msgspec.json.schema_components(
        kinds, ref_template=f"#/components/schemas/{PREFIX}{{name}}"
    )
    return list(references), {f"{PREFIX}{name}": adapt_schema(schema) for name, schema in components.items()}


def adapt_schema(schema: Any) -> Any:
    """Return a JSON Schema as one of OpenAPI 3.0, which has no type null; objects have no other properties."""
    if isinstance(schema, list):
        return [adapt_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    adapted = {name: adapt_schema(part) for name, part in schema.items() if name != "title"}
    if isinstance(options := adapted.get("anyOf"), list) and {"type": "null"} in options:
        adapted |= {"anyOf": [option for option in options if option != {"type": "null"}], "nullable": True}
    if adapted.get("type") == "object" and "properties" in adapted:
        adapted["additionalProperties"] = False
        if not adapted.get("required"):
            adapted.pop("required", None)
    if isinstance(text := adapted.get("description"), str):
        adapted["description"] = " ".join(text.split())
    return adapted


class _QuestionSchema(OpenApiSerializerFieldExtension):
    """Any of the dataclasses of a kind."""

    attribute: str = ""
    more: tuple[str, ...] = ()

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Schema:
        """Return references to the components, which are registered."""
        names = (self.attribute, *self.more)
        references, components = build_schemas([getattr(kind, name) for name in names for kind in QUESTIONS.values()])
        for name, schema in components.items():
            auto_schema.registry.register_on_missing(
                ResolvedComponent(name, ResolvedComponent.SCHEMA, {VERBATIM: schema}, name)
            )
        return {"anyOf": references[: len(QUESTIONS)]}


class QueryParametersSchema(_QuestionSchema):
    target_class = "customers.analytics.rest.serializers.QueryParametersField"
    # the people of a result are selected with the third one, in a query parameter
    attribute, more = "parameters", ("selection",)

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Schema:
        """Return the parameters; in requests, a range may replace the days, which the description says."""
        schema = super().map_serializer_field(auto_schema, direction)
        return {"type": "object", "additionalProperties": True} if direction == "request" else schema


class QueryResultSchema(_QuestionSchema):
    target_class = "customers.analytics.rest.serializers.QueryResultField"
    attribute = "result"
