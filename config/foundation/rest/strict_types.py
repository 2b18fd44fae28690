"""A serializer mixin that rejects values of the wrong JSON type, and names that are not fields.

REST framework accepts 5 as a text and 0 as false; with this mixin such a value is an error of its field. A whole number may
be written as 5.0, and a decimal amount as a number.
"""

import math
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from config.foundation.rest.known_names import NamedChoicesMixin, find_unknown_fields


class StrictTypesMixin(NamedChoicesMixin):
    # no docstring: the OpenAPI document would show it as the description of each serializer

    def to_internal_value(self, data: Any) -> Any:
        type_errors: dict[str, list[ErrorDetail]] = {}
        if isinstance(data, Mapping):
            type_errors = {name: [detail] for name, detail in self.find_type_errors(data).items()}
            type_errors |= find_unknown_fields(data, self.fields)
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            if isinstance(error.detail, dict):
                raise ValidationError({**error.detail, **type_errors}) from error
            raise
        if type_errors:
            raise ValidationError(type_errors)
        return value

    def find_type_errors(self, data: Mapping[str, Any]) -> dict[str, ErrorDetail]:
        values = ((name, field, data[name]) for name, field in self.fields.items() if name in data)
        return {name: build_type_error(field, value) for name, field, value in values if has_wrong_type(field, value)}


def has_wrong_type(field: serializers.Field, value: Any) -> bool:
    """Return whether the value's JSON type differs from the field's; list and object fields check this themselves."""
    if field.read_only or value is None:
        return False
    match field:
        case serializers.ListField():
            return isinstance(value, list) and any(has_wrong_type(field.child, item) for item in value)
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
    """Return the field's own message for an invalid value; for a list, the message for its first wrong item."""
    if isinstance(field, serializers.ListField):
        return build_type_error(field.child, next(item for item in value if has_wrong_type(field.child, item)))
    code = "invalid" if "invalid" in field.error_messages else "invalid_choice"
    return ErrorDetail(str(field.error_messages[code]).format(input=value), code=code)
