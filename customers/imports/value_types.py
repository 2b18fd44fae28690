"""Recognizes what the values of a column look like: dates, numbers, addresses, currencies and others."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from config.foundation.currencies import CURRENCY_SIGNS, get_known_currencies, split_amount

URL = re.compile(r"https?://\S+")
PHONE = re.compile(r"'?\+?[\d ()./-]{6,20}")
ISO_DATE = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ].*)?")
ANY_DATE = re.compile(r"\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?([T ,].*)?")
BOOLEAN_WORDS = frozenset({"true", "false", "yes", "no", "y", "n", "1", "0", "是", "否"})
NUMBER_CHARACTERS = frozenset("0123456789.,' ")
MIN_SHARE = 0.6  # of the values; a column of a broken file still has its type


@dataclass(frozen=True)
class DateFormat:
    """How a file writes dates, with ``strptime`` formats."""

    example: str
    formats: tuple[str, ...]


def with_times(day: str) -> tuple[str, ...]:
    return (f"{day} %H:%M:%S", f"{day} %H:%M", day)


DATE_FORMATS: dict[str, DateFormat] = {
    "dmy-slash": DateFormat("31/12/2026", with_times("%d/%m/%Y")),
    "mdy-slash": DateFormat("12/31/2026", with_times("%m/%d/%Y")),
    "dmy-dot": DateFormat("31.12.2026", with_times("%d.%m.%Y")),
    "dmy-dash": DateFormat("31-12-2026", with_times("%d-%m-%Y")),
    "ymd-zh": DateFormat("2026年12月31日", with_times("%Y年%m月%d日")),
}


def is_currency(text: str) -> bool:
    return text.upper() in get_known_currencies()


def is_email(text: str) -> bool:
    local, _at, domain = text.partition("@")
    has_dot = "." in domain.strip(".")
    return bool(local) and has_dot and "@" not in domain and not any(map(str.isspace, text))


def is_number(text: str) -> bool:
    """Return whether a text is a number with a sign, and a currency before or after it, if any."""
    number, unit = split_amount(text)
    characters = set(number.removeprefix("-").removeprefix("+"))
    has_known_unit = not unit or unit in CURRENCY_SIGNS or is_currency(unit)
    return has_known_unit and characters <= NUMBER_CHARACTERS and any(map(str.isdecimal, characters))


VALUE_TYPES: Mapping[str, Callable[[str], bool]] = {
    "text": lambda text: True,
    "id": lambda text: len(text) <= 255 and not ANY_DATE.fullmatch(text),
    "email": is_email,
    "phone": lambda text: PHONE.fullmatch(text) is not None,
    "date": lambda text: ANY_DATE.fullmatch(text) is not None,
    "number": is_number,
    "integer": lambda text: text.removeprefix("-").isdecimal(),
    "currency": is_currency,
    "url": lambda text: URL.fullmatch(text) is not None,
    "rating": lambda text: text in {"1", "2", "3", "4", "5", "1.0", "2.0", "3.0", "4.0", "5.0"},
    "boolean": lambda text: text.casefold() in BOOLEAN_WORDS,
}
# a column whose values look like these can be recognized without its name
DISTINCT_TYPES = ("email", "date", "currency")


def looks_like(type: str, values: Sequence[str], *, min_share: float = MIN_SHARE) -> bool:
    """Return whether enough of the values are of a type, and at least one; without values, any type fits."""
    filled = [value.strip() for value in values if value.strip()]
    count = sum(map(VALUE_TYPES[type], filled))
    return not filled or (count > 0 and count >= min_share * len(filled))


def detect_date_format(values: Sequence[str]) -> str:
    """Return the key of the only date format that reads the values; empty if they are ISO 8601, or if it is not certain."""
    dates = [value.strip() for value in values if ANY_DATE.fullmatch(value.strip())]
    if not dates or all(ISO_DATE.fullmatch(value) for value in dates):
        return ""
    counts = {
        key: sum(any(reads_date(value, text) for text in shape.formats) for value in dates)
        for key, shape in DATE_FORMATS.items()
    }
    best = max(counts.values())
    winners = [key for key, count in counts.items() if count == best]
    return winners[0] if best and len(winners) == 1 else ""


def reads_date(value: str, text: str) -> bool:
    try:
        datetime.strptime(value, text)  # noqa: DTZ007 — only whether it can be read
    except ValueError:
        return False
    return True
