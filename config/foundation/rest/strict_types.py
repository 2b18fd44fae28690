"""A mixin of serializers: what a body says must be of JSON's own type.

REST framework makes the text "5" of a 5 and a false of a 0; with the mixin in front, such a value is refused and its field named. A
whole number may be written 5.0, and an exact amount as a number too.
"""

import math
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError


class StrictTypesMixin(serializers.Serializer):
    # no docstring: it would be that of each serializer in the OpenAPI document

    def to_internal_value(self, data: Any) -> Any:
        wrong = {name: [detail] for name, detail in self.wrong_types(data).items()} if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            if isinstance(error.detail, dict):
                raise ValidationError({**error.detail, **wrong}) from error
            raise
        if wrong:
            raise ValidationError(wrong)
        return value

    def wrong_types(self, data: Mapping[str, Any]) -> dict[str, ErrorDetail]:
        given = ((name, field, data[name]) for name, field in self.fields.items() if name in data)
        return {name: build_type_error(field, value) for name, field, value in given if has_wrong_type(field, value)}


def has_wrong_type(field: serializers.Field, value: Any) -> bool:
    """Whether the value is of another type than JSON has for the field; what is no list or object at all the field says itself."""
    if field.read_only or value is None:
        return False
    match field:
        case serializers.ListField():
            return isinstance(value, list) and any(has_wrong_type(field.child, one) for one in value)
        case serializers.BooleanField():
            return not isinstance(value, bool)
        case serializers.IntegerField():
            return isinstance(value, bool) or not (
                isinstance(value, int) or (isinstance(value, float) and math.isfinite(value) and value.is_integer())
            )
        case serializers.FloatField():
            return isinstance(value, bool) or not isinstance(value, int | float)
        case serializers.DecimalField():
            return isinstance(value, bool) or not isinstance(value, str | int | float)
        case serializers.ChoiceField():
            return value != "" and not any(type(value) is type(choice) for choice in field.choices)
        case serializers.CharField() | serializers.SlugRelatedField():
            return not isinstance(value, str)
    return False


def build_type_error(field: serializers.Field, value: Any) -> ErrorDetail:
    """In the field's own words; of a list, those of the first item that is of another type."""
    if isinstance(field, serializers.ListField):
        return build_type_error(field.child, next(one for one in value if has_wrong_type(field.child, one)))
    code = "invalid" if "invalid" in field.error_messages else "invalid_choice"
    return ErrorDetail(str(field.error_messages[code]).format(input=value), code=code)
