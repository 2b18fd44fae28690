"""Serializer fields for the filter and the boosts of a request, and their JSON Schema."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from customers.segments.conditions.fields import OPERATORS
from customers.segments.rest.condition_schema import build_object, refer_to, register_components
from recommendations.serving.expressions.attributes import OPERATORS_OF_KIND
from recommendations.serving.expressions.comparison_checks import MAX_BOOST, MAX_BOOSTS, MAX_LENGTH, MIN_BOOST
from recommendations.serving.expressions.expression import Boost, Expression, ExpressionError
from recommendations.serving.expressions.parsing import parse_boosts, parse_filter

INVALID_EXPRESSION = "invalid_expression"  # code of an error, sent over REST
CONDITION = "ProductCondition"


class ExpressionParameterField(serializers.Field):
    """A parameter of a URL, or with ``in_body`` a field that may also be the JSON tree itself."""

    empty_value: ClassVar[Any] = None
    tree_type: ClassVar[type] = dict

    def __init__(self, *, in_body: bool = False, accepts_blank: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.in_body, self.accepts_blank = in_body, accepts_blank

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) and not data.strip():
            if self.accepts_blank:
                return self.empty_value
            raise serializers.ValidationError(str(serializers.CharField.default_error_messages["blank"]), "blank")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) and not (self.in_body and isinstance(data, self.tree_type)):
            raise serializers.ValidationError(_("Use text, or the JSON that the documentation describes."), "invalid")
        try:
            return self.parse(data)
        except ExpressionError as error:
            raise serializers.ValidationError(str(error), INVALID_EXPRESSION) from error

    def to_representation(self, value: Any) -> Any:
        return value

    def parse(self, data: Any) -> Any:
        raise NotImplementedError


class FilterField(ExpressionParameterField):
    def parse(self, data: Any) -> Expression:
        return parse_filter(data)


class BoostField(ExpressionParameterField):
    empty_value = ()
    tree_type = list

    def parse(self, data: Any) -> tuple[Boost, ...]:
        return parse_boosts(data)


class ExpressionFieldExtension(OpenApiSerializerFieldExtension):
    target_class = "recommendations.serving.rest.expression_fields.ExpressionParameterField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the schema; it cannot express the grammar of texts."""
        text = {"type": "string", "maxLength": MAX_LENGTH}
        if not self.target.in_body:
            return text
        condition = register_components(auto_schema, build_product_condition_components())
        if isinstance(self.target, FilterField):
            return {"anyOf": [text, condition]}
        boost = {
            "type": "object",
            "properties": {
                "expression": {"anyOf": [{**text, "minLength": 1}, condition]},
                "factor": {"type": "number", "minimum": MIN_BOOST, "maximum": MAX_BOOST},
            },
            "required": ["expression", "factor"],
            "additionalProperties": False,
        }
        return {"anyOf": [text, {"type": "array", "items": boost, "minItems": 1, "maxItems": MAX_BOOSTS}]}


def build_product_condition_components() -> dict[str, dict[str, Any]]:
    """Return the tree and its groups; the operators and values of each attribute are in the documentation."""
    children = {"type": "array", "items": refer_to(CONDITION), "minItems": 1}
    operators = sorted({op for ops in OPERATORS_OF_KIND.values() for op in ops}, key=list(OPERATORS).index)
    groups = {
        f"{CONDITION}All": build_object({"all": children}),
        f"{CONDITION}Any": build_object({"any": children}),
        f"{CONDITION}Not": build_object({"not": refer_to(CONDITION)}),
    }
    comparison = build_object(
        {"field": {"type": "string"}, "op": {"type": "string", "enum": operators}}, optional={"value": {}}
    )
    condition = {
        "description": "A tree of all, any, not and comparisons of attributes of a product.",
        "oneOf": [*map(refer_to, groups), comparison],
    }
    return {CONDITION: condition, **groups}
