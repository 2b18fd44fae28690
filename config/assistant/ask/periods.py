"""The days that a question names, in English and Chinese: “last month”, “上月”, “since 2026-01-01”, “最近30天”."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.date_range import MAX_YEAR, MIN_YEAR
from config.foundation.calendars.shopping_festivals import FESTIVALS
from customers.analytics.expressions.periods import PeriodUnit, get_period_start, number_period

DAY = timedelta(days=1)
DEFAULT = "last_12_months"
CUSTOM = "custom"
MAX_NUMBER = 3650
YEAR_MONTHS = 12
YEAR_PRESETS = ("last_year", "this_year")  # beside the name of a month or festival, they only say in which year it is


@dataclass(frozen=True)
class Days:
    """Days, both included. preset: the key of `PRESETS`, or `CUSTOM`."""

    preset: str
    since: date
    until: date


def count_back(unit: PeriodUnit, first: int, last: int) -> Callable[[date], tuple[date, date]]:
    """Return a function that finds the days from ``first`` to ``last`` periods ago; 0 is the current period, which ends today."""

    def find(today: date) -> tuple[date, date]:
        number = number_period(today, unit)
        return get_period_start(number - first, unit), min(get_period_start(number - last + 1, unit) - DAY, today)

    return find


def find_year(back: int) -> Callable[[date], tuple[date, date]]:
    return lambda today: (date(today.year - back, 1, 1), min(date(today.year - back, 12, 31), today))


def find_last_days(number: int) -> Callable[[date], tuple[date, date]]:
    """Return a function that finds as many days until today, as the pages of Analytics do."""
    return lambda today: (today - (number - 1) * DAY, today)


@dataclass(frozen=True)
class PeriodPreset:
    """A named range. words: what questions call it, in lower case, in both languages."""

    label: str | Promise
    words: tuple[str, ...]
    find: Callable[[date], tuple[date, date]]


PRESETS: dict[str, PeriodPreset] = {
    "today": PeriodPreset(_("Today"), ("today", "今天", "今日"), lambda today: (today, today)),
    "yesterday": PeriodPreset(_("Yesterday"), ("yesterday", "昨天", "昨日"), lambda today: (today - DAY, today - DAY)),
    "this_week": PeriodPreset(
        _("This week"), ("this week", "current week", "本周", "这周", "这个星期"), count_back(PeriodUnit.WEEK, 0, 0)
    ),
    "last_week": PeriodPreset(
        _("Last week"),
        ("last week", "previous week", "past week", "上周", "上个星期", "上星期"),
        count_back(PeriodUnit.WEEK, 1, 1),
    ),
    "this_month": PeriodPreset(
        _("This month"), ("this month", "current month", "本月", "这个月", "当月"), count_back(PeriodUnit.MONTH, 0, 0)
    ),
    "last_month": PeriodPreset(
        _("Last month"),
        ("last month", "previous month", "past month", "上月", "上个月"),
        count_back(PeriodUnit.MONTH, 1, 1),
    ),
    "this_quarter": PeriodPreset(
        _("This quarter"),
        ("this quarter", "current quarter", "本季度", "这个季度", "本季"),
        count_back(PeriodUnit.QUARTER, 0, 0),
    ),
    "last_quarter": PeriodPreset(
        _("Last quarter"),
        ("last quarter", "previous quarter", "past quarter", "上季度", "上个季度", "上季"),
        count_back(PeriodUnit.QUARTER, 1, 1),
    ),
    "this_year": PeriodPreset(
        _("This year"), ("this year", "year to date", "ytd", "今年", "本年", "年初至今"), find_year(0)
    ),
    "last_year": PeriodPreset(_("Last year"), ("last year", "previous year", "去年", "上年"), find_year(1)),
    # words such as “last seven days” are read by `LAST`, like those with digits
    "last_7_days": PeriodPreset(_("Last 7 days"), (), find_last_days(7)),
    "last_28_days": PeriodPreset(_("Last 28 days"), (), find_last_days(28)),
    "last_30_days": PeriodPreset(_("Last 30 days"), (), find_last_days(30)),
    "last_90_days": PeriodPreset(_("Last 90 days"), (), find_last_days(90)),
    "last_12_months": PeriodPreset(
        _("Last 12 months"), ("past year",), count_back(PeriodUnit.MONTH, YEAR_MONTHS - 1, 0)
    ),
}

MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
MONTH_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)} | {
    name[:3]: number for number, name in enumerate(MONTHS, 1)
}
UNITS = {
    "day": 1, "天": 1, "日": 1, "week": 7, "周": 7, "星期": 7, "month": 30, "月": 30, "quarter": 91, "季度": 91, "year": 365, "年": 365,
}  # fmt: skip
NUMERALS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "fourteen": 14, "thirty": 30, "sixty": 60, "ninety": 90,
}  # fmt: skip
CHINESE_DIGITS = {character: number for number, character in enumerate("零一二三四五六七八九")} | {"两": 2}
CHINESE_SCALES = {"十": 10, "百": 100}
FESTIVAL_RULES = {festival.key: festival.rule for festival in FESTIVALS}
FESTIVAL_NAMES = {
    "双11": "singles_day", "双十一": "singles_day", "singles' day": "singles_day", "singles’ day": "singles_day", "singles day": "singles_day",
    "11.11": "singles_day", "双12": "december_12", "双十二": "december_12", "618": "june_18", "七夕": "qixi", "qixi": "qixi",
    "black friday": "black_friday", "黑色星期五": "black_friday", "黑五": "black_friday",
    "cyber monday": "cyber_monday", "网络星期一": "cyber_monday", "网一": "cyber_monday",
}  # fmt: skip
DATE = r"(?<!\d)(\d{4}-\d{2}(?:-\d{2})?)(?!\d)"  # a day or a month
RANGE = re.compile(rf"(?:from |between |从)?{DATE} ?(?:to|and|until|-|–|到|至) ?{DATE}")
SINCE = re.compile(rf"(?:since |from |自从?){DATE}")
ONE_DATE = re.compile(rf"(?:\b(?:in|on|of) )?{DATE}")
LAST = re.compile(
    rf"(?:last|past|previous|最近|过去|近) ?(\d{{1,4}}|{'|'.join(NUMERALS)}|[{''.join((*CHINESE_DIGITS, *CHINESE_SCALES))}]{{1,5}}) ?个?"
    r"(?:(day|week|month|quarter|year)s?(?![a-z])|(天|日|周|星期|月|季度|年))"
)
FESTIVAL = re.compile(
    rf"(?<![a-z\d])(?:(20\d{{2}}) ?年? ?)?({'|'.join(map(re.escape, FESTIVAL_NAMES))})(?![a-z\d])(?: (20\d{{2}}))?"
)
NAMED_MONTH = re.compile(rf"\b(?:in |of )?({'|'.join((*MONTHS, *(name[:3] for name in MONTHS)))})\b(?: (20\d{{2}}))?")
CHINESE_MONTH = re.compile(r"(?:(20\d{2}) ?年 ?)?(\d{1,2}) ?月份?")
YEAR = re.compile(r"(?:\b(?:in )?(20\d{2})\b|(20\d{2})年)")


def find_preset_days(preset: str, today: date) -> Days:
    """Return the days of a preset."""
    since, until = PRESETS[preset].find(today)
    return Days(preset, since, until)


def find_all_days(text: str, today: date) -> tuple[str, list[tuple[Days, tuple[int, int]]]]:
    """Return a text with blanks instead of the days that it names in numbers, months or festivals, and these days with their places."""
    found: list[tuple[Days, tuple[int, int]]] = []
    while True:
        days, span = find_days(text, today)
        if days is None or span is None:
            return text, found
        found.append((days, span))
        text = f"{text[: span[0]]}{' ' * (span[1] - span[0])}{text[span[1] :]}"


def find_days(text: str, today: date) -> tuple[Days | None, tuple[int, int] | None]:
    """Return the days that a text names in numbers or months, and where in the text; None if it names none."""
    for pattern, read in PATTERNS:
        if (match := pattern.search(text)) and (days := read(match, today)):
            return Days(CUSTOM, *days), match.span()
    return None, None


def parse_iso(text: str) -> date | None:
    """Return a day; None if the text is not one, or one of a year from which no period before or after can be computed."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if MIN_YEAR <= day.year <= MAX_YEAR else None


def parse_date(text: str) -> tuple[date, date] | None:
    """Return the first and the last day of a day or a month, such as 2026-03; None if the text is neither."""
    first = parse_iso(text if len(text) > len("2026-03") else f"{text}-01")
    if first is None or len(text) > len("2026-03"):
        return (first, first) if first else None
    return first, get_period_start(number_period(first, PeriodUnit.MONTH) + 1, PeriodUnit.MONTH) - DAY


def read_range(match: re.Match[str], today: date) -> tuple[date, date] | None:
    since, until = parse_date(match[1]), parse_date(match[2])
    return (since[0], until[1]) if since and until and since[0] <= until[1] else None


def read_since(match: re.Match[str], today: date) -> tuple[date, date] | None:
    since = parse_date(match[1])
    return (since[0], today) if since and since[0] <= today else None


def read_one_date(match: re.Match[str], today: date) -> tuple[date, date] | None:
    days = parse_date(match[1])
    return (days[0], min(days[1], today)) if days and days[0] <= today else None


def read_last(match: re.Match[str], today: date) -> tuple[date, date] | None:
    number, days = read_number(match[1]), UNITS[match[2] or match[3]]
    if number == 0 or number * days > MAX_NUMBER:
        return None
    if days == UNITS["year"]:
        number, days = number * YEAR_MONTHS, UNITS["month"]
    if days == UNITS["month"]:
        is_preset = number == YEAR_MONTHS  # the same words mean the same days in a question and in the select
        return PRESETS[DEFAULT].find(today) if is_preset else count_back(PeriodUnit.MONTH, number, 1)(today)
    if days == UNITS["quarter"]:
        return count_back(PeriodUnit.QUARTER, number, 1)(today)
    return (
        count_back(PeriodUnit.WEEK, number, 1)(today) if days == UNITS["week"] else find_last_days(number * days)(today)
    )


def read_number(text: str) -> int:
    """Return the number that digits or an English or Chinese numeral stand for."""
    if text.isdecimal():
        return int(text)
    if text in NUMERALS:
        return NUMERALS[text]
    total = digit = 0
    for character in text:
        if character in CHINESE_SCALES:
            total, digit = total + (digit or 1) * CHINESE_SCALES[character], 0
        else:
            digit = CHINESE_DIGITS[character]
    return total + digit


def find_month(year: int, month: int, today: date) -> tuple[date, date] | None:
    """Return the days of a month; None for a month in the future."""
    if not 1 <= month <= 12:
        return None
    number = number_period(date(year, month, 1), PeriodUnit.MONTH)
    start, end = (get_period_start(each, PeriodUnit.MONTH) for each in (number, number + 1))
    return (start, min(end - DAY, today)) if start <= today else None


def choose_year(month: int, today: date, text: str) -> int:
    """Return the year that the text names in words, such as “last year”, or that of the latest month of that name that has begun."""
    return find_year_in_words(text, today) or (today.year if month <= today.month else today.year - 1)


def find_year_in_words(text: str, today: date) -> int | None:
    """Return the year that words such as “last year” name; None without such words."""
    for preset, year in zip(YEAR_PRESETS, (today.year - 1, today.year), strict=True):
        if any(word in text for word in PRESETS[preset].words):
            return year
    return None


def read_named_month(match: re.Match[str], today: date) -> tuple[date, date] | None:
    month = MONTH_NUMBERS[match[1]]
    return find_month(int(match[2]) if match[2] else choose_year(month, today, match.string), month, today)


def read_chinese_month(match: re.Match[str], today: date) -> tuple[date, date] | None:
    month = int(match[2])
    return find_month(int(match[1]) if match[1] else choose_year(month, today, match.string), month, today)


def read_festival(match: re.Match[str], today: date) -> tuple[date, date] | None:
    """Return the main day of a shopping festival: of the year that the text names, else of the latest one that has begun."""
    rule = FESTIVAL_RULES[FESTIVAL_NAMES[match[2]]]
    named = int(match[1] or match[3] or 0) or find_year_in_words(match.string, today)
    days = [rule(year) for year in ((named,) if named else (today.year, today.year - 1))]
    return next(((day, day) for day in days if day and day <= today), None)


def read_year(match: re.Match[str], today: date) -> tuple[date, date] | None:
    year = int(match[1] or match[2])
    return (date(year, 1, 1), min(date(year, 12, 31), today)) if year <= today.year else None


PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], tuple[date, date] | None]], ...] = (
    (RANGE, read_range),
    (SINCE, read_since),
    (ONE_DATE, read_one_date),
    (LAST, read_last),
    (FESTIVAL, read_festival),
    (CHINESE_MONTH, read_chinese_month),
    (NAMED_MONTH, read_named_month),
    (YEAR, read_year),
)
