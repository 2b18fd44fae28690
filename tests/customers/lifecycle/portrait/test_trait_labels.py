"""Labels and formatted values of traits."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import translation

from customers.lifecycle.portrait.trait_labels import (
    MAX_TEXT_LENGTH,
    format_age_from_birthday,
    format_trait,
    get_country_name,
    get_language_name,
    get_trait_label,
)
from tests.makers import NOON


def format_as_tuple(name: str, value: Any, *, exact: bool = True) -> tuple[str, Any, str, str]:
    return tuple(format_trait(name, value, as_of=NOON, exact=exact))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("birthday", "years", "missing"),
    [
        ("1990-11-24", 36, ""),
        ("1990-11-25", 35, ""),
        ("2004-02-29", 22, ""),
        ("2026-11-24", 0, ""),
        ("2026-11-25", None, "implausible"),
        ("1826-01-01", None, "implausible"),
        ("1990-02-30", None, "implausible"),
        ("soon", None, "implausible"),
    ],
)
def test_a_plausible_birthday_gives_an_age(birthday: str, years: int | None, missing: str) -> None:
    age = format_age_from_birthday(birthday, as_of=NOON, exact=True)
    assert (age.value, age.missing) == (years, missing)


@pytest.mark.parametrize("birthday", ["1987-01-01", "1996-11-24"])
def test_without_the_permission_an_age_is_shown_by_decade(birthday: str) -> None:
    age = format_age_from_birthday(birthday, as_of=NOON, exact=False)
    assert (age.format, age.value, age.text) == ("years_range", {"from": 30, "to": 39}, "30 to 39 years")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (41, ("years", 41, "41 years", "")),
        ("41", ("years", 41, "41 years", "")),
        (1, ("years", 1, "1 year", "")),
        ("45-54", ("text", "45-54", "45-54", "")),
        (200, ("years", None, "", "implausible")),
        (-3, ("years", None, "", "implausible")),
        ("9" * 5000, ("years", None, "", "implausible")),
        (float("nan"), ("years", None, "", "implausible")),
    ],
)
def test_an_age_is_a_number_of_years_or_the_text_of_the_shop(value: Any, expected: tuple[str, Any, str, str]) -> None:
    assert format_as_tuple("age", value) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("gender", "F", ("text", "F", "female", "")),
        ("gender", "男", ("text", "男", "male", "")),
        ("gender", "dragon", ("text", "dragon", "dragon", "")),
        ("newsletter", True, ("flag", True, "yes", "")),
        ("pets", ["cat", "dog"], ("text", "cat, dog", "cat, dog", "")),
        ("size", {"shoe": 42, "shirt": {"eu": "M"}}, ("text", "shoe: 42; shirt: eu: M", "shoe: 42; shirt: eu: M", "")),
        ("points", 1200, ("number", 1200, "1200", "")),
        ("note", "a\nb\x07\u202ec", ("text", "a b c", "a b c", "")),
        ("createdAt", "2026-11-25T00:00:00Z", ("moment", None, "", "implausible")),
        ("createdAt", "yesterday", ("moment", None, "", "implausible")),
        ("createdAt", 1e300, ("moment", None, "", "implausible")),
    ],
)
def test_a_value_has_a_format_and_a_text(name: str, value: Any, expected: tuple[str, Any, str, str]) -> None:
    assert format_as_tuple(name, value) == expected


def test_the_registration_time_is_parsed_from_texts_and_numbers() -> None:
    for value in ("2026-01-02T03:04:05Z", 1767323045, 1767323045000, "2026-01-02T03:04:05"):
        value_format, moment, _text, missing = format_as_tuple("createdAt", value)
        assert (value_format, datetime.fromisoformat(moment), missing) == (
            "moment",
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "",
        )


def test_a_long_text_is_truncated() -> None:
    _value_format, value, text, _missing = format_as_tuple("note", "x" * 5000)
    assert value == text
    assert (len(text), text[-1]) == (MAX_TEXT_LENGTH, "…")


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        ("address.city", "city", "城市"),
        ("company.name", "company", "公司"),
        ("household_size", "household size", "家庭人数"),
    ],
)
def test_standard_names_are_translated(name: str, english: str, chinese: str) -> None:
    assert get_trait_label(name) == english
    with translation.override("zh-hans"):
        assert get_trait_label(name) == chinese


def test_other_names_are_unchanged_but_truncated() -> None:
    assert get_trait_label("favouriteTea") == "favouriteTea"
    assert len(get_trait_label("x" * 100)) == 60


def test_languages_and_countries_have_names_in_the_language_of_the_reader() -> None:
    assert (
        get_language_name("de-AT"),
        get_country_name("at"),
        get_country_name("Narnia"),
        get_language_name("12"),
    ) == (
        "German",
        "Austria",
        "Narnia",
        "12",
    )
    with translation.override("zh-hans"):
        assert (get_language_name("de"), get_country_name("AT")) == ("德语", "奥地利")
