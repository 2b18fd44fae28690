"""Ranges of whole days and what they are compared with."""

from datetime import UTC, date, datetime

import pytest
from django.utils import timezone

from config.foundation.backoffice.date_range import PRESETS, DayRange, parse_date_choice

TODAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    ("preset", "first", "last", "compared_first", "compared_last"),
    [
        ("7d", (2026, 11, 20), (2026, 11, 26), (2026, 11, 13), (2026, 11, 19)),
        ("28d", (2026, 10, 30), (2026, 11, 26), (2026, 10, 2), (2026, 10, 29)),
        ("90d", (2026, 8, 29), (2026, 11, 26), (2026, 5, 31), (2026, 8, 28)),
        ("365d", (2025, 11, 27), (2026, 11, 26), (2024, 11, 27), (2025, 11, 26)),
        ("this_month", (2026, 11, 1), (2026, 11, 26), (2026, 10, 1), (2026, 10, 26)),
        ("last_month", (2026, 10, 1), (2026, 10, 31), (2026, 9, 1), (2026, 9, 30)),
        ("this_year", (2026, 1, 1), (2026, 11, 26), (2025, 1, 1), (2025, 11, 26)),
    ],
)
def test_presets_are_whole_days_before_today_and_the_comparable_days_before_them(
    preset: str,
    first: tuple[int, int, int],
    last: tuple[int, int, int],
    compared_first: tuple[int, int, int],
    compared_last: tuple[int, int, int],
) -> None:
    choice = parse_date_choice({"range": preset}, today=TODAY)
    assert choice.range == DayRange(date(*first), date(*last))
    assert choice.compared == DayRange(date(*compared_first), date(*compared_last))
    assert not choice.errors


@pytest.mark.parametrize(
    ("today", "preset", "first", "last"),
    [
        ((2026, 11, 27), "7d", (2026, 11, 21), (2026, 11, 27)),
        ((2026, 11, 30), "last_month", (2026, 10, 1), (2026, 10, 31)),
        ((2026, 12, 1), "last_month", (2026, 11, 1), (2026, 11, 30)),
        ((2026, 12, 31), "last_month", (2026, 11, 1), (2026, 11, 30)),
        ((2026, 11, 30), "this_month", (2026, 11, 1), (2026, 11, 30)),
        ((2026, 12, 1), "this_month", (2026, 12, 1), (2026, 12, 1)),
        ((2026, 12, 31), "this_year", (2026, 1, 1), (2026, 12, 31)),
        ((2027, 1, 1), "this_year", (2027, 1, 1), (2027, 1, 1)),
    ],
)
def test_presets_can_include_today_and_the_last_month_is_the_one_before_today(
    today: tuple[int, int, int], preset: str, first: tuple[int, int, int], last: tuple[int, int, int]
) -> None:
    choice = parse_date_choice({"range": preset}, today=date(*today), includes_today=True)
    assert choice.range == DayRange(date(*first), date(*last))


def test_the_first_day_of_a_month_has_the_month_before_as_this_month() -> None:
    choice = parse_date_choice({"range": "this_month"}, today=date(2026, 3, 1))
    assert choice.range == DayRange(date(2026, 2, 1), date(2026, 2, 28))
    assert choice.compared == DayRange(date(2026, 1, 1), date(2026, 1, 31))


def test_a_long_month_is_compared_with_the_whole_shorter_month_before() -> None:
    choice = parse_date_choice({"range": "this_month"}, today=date(2026, 4, 1))
    assert choice.range.days == 31
    assert choice.compared == DayRange(date(2026, 2, 1), date(2026, 2, 28))


def test_a_leap_day_is_compared_with_the_28th() -> None:
    choice = parse_date_choice({"range": "this_year"}, today=date(2028, 3, 1))
    assert choice.compared == DayRange(date(2027, 1, 1), date(2027, 2, 28))


def test_a_preset_and_the_same_days_chosen_by_hand_are_compared_with_the_same_days() -> None:
    for today in (date(2026, 1, 20), date(2026, 3, 1), TODAY, date(2026, 12, 1)):
        for preset in PRESETS:
            choice = parse_date_choice({"range": preset}, today=today)
            days = {"since": choice.range.first.isoformat(), "until": choice.range.last.isoformat()}
            assert parse_date_choice(days, today=today).compared == choice.compared


def test_a_year_before_has_the_same_weekdays() -> None:
    choice = parse_date_choice({"range": "28d", "compare": "year"}, today=TODAY)
    assert choice.compared is not None
    assert choice.compared.first.weekday() == choice.range.first.weekday()
    assert (choice.range.first - choice.compared.first).days == 364


def test_a_custom_range_includes_both_days_and_keeps_its_parameters() -> None:
    parameters = {"range": "custom", "since": "2026-11-02", "until": "2026-11-08", "compare": "none"}
    choice = parse_date_choice(parameters, today=TODAY)
    assert (choice.range.days, choice.compared) == (7, None)
    assert choice.to_parameters() == parameters


def test_two_days_without_a_range_are_a_custom_range() -> None:
    choice = parse_date_choice({"since": "2026-11-02", "until": "2026-11-08"}, today=TODAY)
    assert choice.preset == "custom"


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"range": "decade"}, "Unknown date range “decade”"),
        ({"compare": "moon"}, "Unknown comparison “moon”"),
        ({"since": "2026-11-08", "until": "2026-11-02"}, "The end date is before the start date."),
        ({"since": "yesterday", "until": "2026-11-02"}, "not a valid date: yesterday"),
        ({"range": "custom"}, "not a valid date: –"),
        ({"since": "0001-01-01", "until": "2026-11-02"}, "Enter a year between"),
        ({"since": "2026-11-02", "until": "9999-12-31"}, "Enter a year between"),
    ],
)
def test_wrong_values_use_the_default_and_are_errors(parameters: dict[str, str], error: str) -> None:
    choice = parse_date_choice(parameters, today=TODAY)
    assert (choice.preset, choice.comparison) == ("28d", "previous")
    assert error in choice.errors[0]


def test_days_start_and_end_in_the_time_zone_of_the_shop() -> None:
    with timezone.override("Europe/Berlin"):
        days = DayRange(date(2026, 3, 29), date(2026, 3, 29))  # clocks go forward
        assert days.start == datetime(2026, 3, 28, 23, tzinfo=UTC)
        assert days.end == datetime(2026, 3, 29, 22, tzinfo=UTC)
        assert days.days == 1
