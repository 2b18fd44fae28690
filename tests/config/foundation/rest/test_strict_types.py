"""A body with values of the wrong JSON type is rejected, and every invalid field is named."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin


class Body(StrictTypesMixin, serializers.Serializer):
    name = serializers.CharField(required=False, allow_null=True)
    flag = serializers.BooleanField(required=False)
    count = serializers.IntegerField(required=False)
    share = serializers.FloatField(required=False)
    price = serializers.DecimalField(required=False, max_digits=6, decimal_places=2)
    day = serializers.ChoiceField(required=False, choices=[(1, "Monday")])
    names = serializers.ListField(required=False, child=serializers.CharField())


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("name", 5, "invalid"),
        ("name", 1.5, "invalid"),
        ("flag", 0, "invalid"),
        ("flag", "yes", "invalid"),
        ("count", "5", "invalid"),
        ("count", True, "invalid"),
        ("count", 5.5, "invalid"),
        ("count", float("inf"), "invalid"),
        ("share", "0.5", "invalid"),
        ("share", True, "invalid"),
        ("price", True, "invalid"),
        ("day", "1", "invalid_choice"),
        ("names", ["a", 5], "invalid"),
    ],
)
def test_a_value_of_another_type_is_rejected(name: str, value: Any, code: str) -> None:
    body = Body(data={name: value})
    assert not body.is_valid()
    assert list(body.errors) == [name]
    assert body.errors[name][0].code == code


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("name", "5", "5"),
        ("name", None, None),
        ("flag", False, False),
        ("count", 5, 5),
        ("count", 5.0, 5),
        ("share", 1, 1.0),
        ("price", "19.90", Decimal("19.90")),
        ("price", 19.9, Decimal("19.9")),
        ("day", 1, 1),
        ("names", ["a", "b"], ["a", "b"]),
    ],
)
def test_a_value_of_the_right_type_is_accepted(name: str, value: Any, accepted: Any) -> None:
    body = Body(data={name: value})
    assert body.is_valid(), body.errors
    assert body.validated_data[name] == accepted


def test_every_invalid_field_is_named_and_a_body_that_is_not_an_object_is_rejected() -> None:
    body = Body(data={"name": 5, "price": "much", "names": [None, 1]})
    assert not body.is_valid()
    assert set(body.errors) == {"name", "price", "names"}
    assert not Body(data=["name"]).is_valid()
