"""Traits as people read them."""

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


def read(name: str, value: Any, *, exact: bool = True) -> tuple[str, Any, str, str]:
    return tuple(format_trait(name, value, as_of=NOON, exact=exact))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("birthday", "years", "gap"),
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
def test_an_age_follows_from_a_birthday_that_can_be_right(birthday: str, years: int | None, gap: str) -> None:
    found = format_age_from_birthday(birthday, as_of=NOON, exact=True)
    assert (found.value, found.missing) == (years, gap)


@pytest.mark.parametrize("birthday", ["1987-01-01", "1996-11-24"])
def test_without_the_permission_an_age_is_shown_by_decade(birthday: str) -> None:
    found = format_age_from_birthday(birthday, as_of=NOON, exact=False)
    assert (found.format, found.value, found.text) == ("years_range", {"from": 30, "to": 39}, "30 to 39 years")


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
def test_an_age_is_a_number_of_years_or_what_the_shop_calls_it(value: Any, expected: tuple[str, Any, str, str]) -> None:
    assert read("age", value) == expected


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
def test_a_value_is_typed_and_readable(name: str, value: Any, expected: tuple[str, Any, str, str]) -> None:
    assert read(name, value) == expected


def test_the_moment_of_a_registration_is_read_from_texts_and_numbers() -> None:
    for value in ("2026-01-02T03:04:05Z", 1767323045, 1767323045000, "2026-01-02T03:04:05"):
        form, moment, _words, gap = read("createdAt", value)
        assert (form, datetime.fromisoformat(moment), gap) == ("moment", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "")


def test_a_long_text_is_cut() -> None:
    _form, value, words, _gap = read("note", "x" * 5000)
    assert value == words
    assert (len(words), words[-1]) == (MAX_TEXT_LENGTH, "…")


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        ("address.city", "city", "城市"),
        ("company.name", "company", "公司"),
        ("household_size", "household size", "家庭人数"),
    ],
)
def test_known_names_are_translated(name: str, english: str, chinese: str) -> None:
    assert get_trait_label(name) == english
    with translation.override("zh-hans"):
        assert get_trait_label(name) == chinese


def test_other_names_stay_as_the_shop_spells_them_and_are_cut() -> None:
    assert get_trait_label("favouriteTea") == "favouriteTea"
    assert len(get_trait_label("x" * 100)) == 60


def test_languages_and_countries_are_named_in_the_reader_s_language() -> None:
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
