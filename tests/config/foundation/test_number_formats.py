"""Numbers are formatted by the rules of the reader's language."""

from datetime import UTC, date, datetime
from decimal import Decimal

from django.utils.translation import override

from config.foundation import number_formats

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_percentages_have_no_space_and_the_given_digits() -> None:
    for language in ("en", "zh-hans"):
        with override(language):
            assert number_formats.format_percent(0.4234) == "42.3%"
            assert number_formats.format_percent(Decimal("0.4234"), 0) == "42%"
            assert number_formats.format_percent(None) == "–"


def test_decimals_are_rounded_and_not_cut() -> None:
    for language in ("en", "zh-hans"):
        with override(language):
            assert number_formats.format_decimals(1 / 178, 3) == "0.006"
            assert number_formats.format_decimals(69 / 178, 3) == "0.388"
            assert number_formats.format_decimals(1.9999, 2) == "2.00"
            assert number_formats.format_decimals(Decimal("-1234.56"), 1) == "-1,234.6"
            assert number_formats.format_decimals(-0.004, 2) == "0.00"
            assert number_formats.format_decimals(12.7, 0) == "13"
            assert number_formats.format_decimals(None, 1) == "–"


def test_large_changes_are_factors() -> None:
    assert number_formats.format_change(0.042) == "+4.2%"
    assert number_formats.format_change(-0.5) == "−50.0%"
    assert number_formats.format_change(2.43) == "3.4×"
    assert number_formats.format_change(12.93) == "14×"
    with override("zh-hans"):
        assert number_formats.format_change(12.93) == "14 倍"


def test_what_is_rounded_to_zero_has_no_minus_sign() -> None:
    assert [number_formats.format_count(value) for value in (-0.3, -0.5, -0.7, 0.2)] == ["0", "0", "-1", "0"]
    assert number_formats.format_money(-0.001, "USD") == "$0.00"
    assert number_formats.format_money(Decimal("-0.40"), "JPY") == "¥0"
    assert number_formats.format_money(-0.01, "USD") == "-$0.01"
    assert [number_formats.format_change(value) for value in (-0.0002, -0.001)] == ["+0.0%", "−0.1%"]


def test_changes_of_counts_have_a_sign() -> None:
    changes = [number_formats.format_count_change(value) for value in (1234, -11, 0, None)]
    assert changes == ["+1,234", "−11", "0", "–"]


def test_whole_and_exact_percentages() -> None:
    for language in ("en", "zh-hans"):
        with override(language):
            assert number_formats.format_whole_percent(0.4234) == "42%"
            assert number_formats.format_whole_percent(12.5) == "1,250%"
            assert number_formats.format_whole_percent(None) == ""
            assert number_formats.format_exact_percent(Decimal("0.3000")) == "30%"
            assert number_formats.format_exact_percent(Decimal("0.00125")) == "0.125%"


def test_exact_amounts_have_a_currency_code() -> None:
    assert number_formats.format_amount(Decimal("1234.50"), "EUR") == "1234.50 EUR"
    assert number_formats.format_amount(Decimal("5.00"), "") == "5.00"
    assert number_formats.format_amount(None, "EUR") == "–"


def test_money_follows_the_locale_and_the_currency() -> None:
    with override("zh-hans"):
        assert number_formats.format_money(Decimal("1234.5"), "CNY") == "¥1,234.50"
        assert number_formats.format_whole_money(Decimal("1234.5"), "USD") == "US$1,234"
    with override("en"):
        assert number_formats.format_money(None, "USD") == "–"


def test_axis_numbers_are_short_in_the_way_of_the_language() -> None:
    numbers = (0.5, 999, 1500, 9999, 15000, 2e8)
    with override("en"):
        assert [number_formats.format_short_number(number) for number in numbers] == [
            *("0.5", "999", "1.5K", "10K", "15K", "200M"),
        ]
    with override("zh-hans"):
        assert [number_formats.format_short_number(number) for number in numbers] == [
            *("0.5", "999", "1,500", "9,999", "1.5万", "2亿"),
        ]


def test_days_ages_and_durations_are_words() -> None:
    with override("en"):
        assert number_formats.format_day(date(2026, 11, 24)) == "Nov 24"
        assert number_formats.format_age(NOON, as_of=NOON.replace(day=27)) == "3 days ago"
        durations = {
            12: "12 seconds",
            3_600: "1 hour",
            5_400: "90 minutes",
            86_400: "1 day",
            14 * 86_400: "14 days",
            7_260: "2 hours",
        }
        assert {seconds: number_formats.format_duration(seconds) for seconds in durations} == durations
    with override("zh-hans"):
        assert number_formats.format_day(date(2026, 11, 24)) == "11月24日"
        durations = {
            30: "30秒钟",
            180: "3分钟",
            3_600: "1小时",
            5_400: "90分钟",
            86_400: "1天",
            14 * 86_400: "14天",
            7_260: "2小时",
        }
        assert {seconds: number_formats.format_duration(seconds) for seconds in durations} == durations


def test_a_label_and_its_text_have_the_colon_of_the_language() -> None:
    assert number_formats.join_label("Rating", 5) == "Rating: 5"
    with override("zh-hans"):
        assert number_formats.join_label("评分", 5) == "评分：5"
