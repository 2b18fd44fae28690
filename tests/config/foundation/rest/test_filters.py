"""Filters in the query string are parsed or rejected."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from config.foundation.rest.filters import FIRST, LAST, FlagFilter, MomentFilter, PriceFilter, WholeNumberFilter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T12:00:00Z", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("4178-07-14T11:34:54-22:34", datetime(4178, 7, 15, 10, 8, 54, tzinfo=UTC)),
        ("0001-01-01T00:00:00+12:00", FIRST),
        ("9999-12-31T23:59:59-12:00", LAST),
        ("", None),
    ],
)
def test_a_time_is_converted_to_utc(text: str, expected: datetime | None) -> None:
    assert MomentFilter().field.clean(text) == expected


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("false", False), ("", "")])
def test_a_flag_is_parsed_as_a_boolean(text: str, flag: Any) -> None:
    assert FlagFilter().field.clean(text) == flag


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (FlagFilter().field, "-58800"),
        (FlagFilter().field, "yes"),
        (WholeNumberFilter().field, "0.5"),
        (PriceFilter().field, "1e13"),
        (MomentFilter().field, "soon"),
    ],
)
def test_invalid_values_are_rejected(field: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        field.clean(text)


def test_a_whole_number_is_accepted() -> None:
    assert WholeNumberFilter().field.clean("5") == 5
