"""Profile fields among the traits of an identify call."""

from typing import Any

import pytest

from customers.identity.traits import MAX_TRAITS, read_identify_traits
from tests.makers import NOON


@pytest.mark.parametrize(
    ("traits", "fields"),
    [
        ({"name": " Anna "}, {"name": "Anna"}),
        ({"firstName": "Anna", "lastName": "K."}, {"name": "Anna K."}),
        ({"first_name": "伟"}, {"name": "伟"}),
        ({"name": "null"}, {}),
        ({"name": 7, "language": ["de"]}, {}),
        ({"name": "x" * 501}, {}),
        ({"birthday": "1990-05-17"}, {"birthday": "1990-05-17"}),
        ({"birthday": "1990-05-17T22:00:00Z"}, {"birthday": "1990-05-17"}),
        ({"birthday": "2090-01-01"}, {}),
        ({"birthday": "yesterday"}, {}),
        ({"country": "NA", "language": "id"}, {"country": "NA", "language": "id"}),
        ({"address": {"country": "ID"}, "locale": "zh-CN"}, {"country": "ID", "language": "zh-CN"}),
        ({"address": "Main Street 1"}, {}),
    ],
)
def test_profile_fields_are_read_from_traits(traits: dict[str, Any], fields: dict[str, str]) -> None:
    assert read_identify_traits(traits, at=NOON).fields == fields


def test_personal_and_nested_traits_are_omitted() -> None:
    traits = {"email": "a@b.c", "birthdate": "x", "company": {"name": "x"}, "plan": "gold", "tags": ["a"], "gone": None}
    assert read_identify_traits(traits, at=NOON).traits == {"plan": "gold", "tags": ["a"], "gone": None}


def test_number_of_traits_is_limited() -> None:
    assert len(read_identify_traits({f"t{number}": number for number in range(500)}, at=NOON).traits) == MAX_TRAITS
