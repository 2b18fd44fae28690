"""Shopping festivals by country, which the calendar of public holidays does not have: a small table of rules.

The periods are those in which shops usually sell more; presales begin earlier in some years. 七夕 (7th day of the 7th month of the lunar
calendar) has a table, because the package holidays has no date for it; the lunar new year is the package's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.calendars.public_holidays import find_spring_festival

type Rule = Callable[[int], date | None]  # the main day in a year; None where it is not known

# https://zh.wikipedia.org/wiki/七夕; a test compares each with the dragon boat festival two lunar months before
QIXI: Mapping[int, tuple[int, int]] = {
    2016: (8, 9), 2017: (8, 28), 2018: (8, 17), 2019: (8, 7), 2020: (8, 25), 2021: (8, 14), 2022: (8, 4), 2023: (8, 22),
    2024: (8, 10), 2025: (8, 29), 2026: (8, 19), 2027: (8, 8), 2028: (8, 26), 2029: (8, 16), 2030: (8, 5), 2031: (8, 24),
    2032: (8, 12), 2033: (8, 1), 2034: (8, 20), 2035: (8, 10),
}  # fmt: skip
CHINA = frozenset({"CN"})
BLACK_FRIDAY_COUNTRIES = frozenset(
    {
        *(
            "US",
            "CA",
            "MX",
            "BR",
            "GB",
            "IE",
            "DE",
            "AT",
            "CH",
            "FR",
            "ES",
            "PT",
            "IT",
            "NL",
            "BE",
            "LU",
            "DK",
            "SE",
            "NO",
        ),
        *("FI", "PL", "CZ", "SK", "HU", "RO", "BG", "GR", "HR", "SI", "EE", "LV", "LT", "AU", "NZ", "ZA"),
    }
)


@dataclass(frozen=True)
class Festival:
    """An annual festival. before, after: days around the main day that belong to it."""

    key: str
    label: Promise
    countries: frozenset[str]
    rule: Rule
    before: int = 0
    after: int = 0


@dataclass(frozen=True)
class FestivalPeriod:
    """A festival in one year: its first and last day, and the main day between them."""

    key: str
    label: Promise
    first: date
    main: date
    last: date


def fix_day(month: int, day: int) -> Rule:
    return lambda year: date(year, month, day)


def find_qixi(year: int) -> date | None:
    return date(year, *QIXI[year]) if year in QIXI else None


def find_new_year_shopping(year: int) -> date | None:
    """Return the day two weeks before the lunar new year; parcels stop a few days before it."""
    day = find_spring_festival(year)
    return day - timedelta(days=14) if day else None


def find_black_friday(year: int) -> date:
    """Return the day after the fourth Thursday of November."""
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 22)


FESTIVALS = (
    Festival("new_year_shopping", _("New Year shopping festival"), CHINA, find_new_year_shopping, before=14, after=9),
    Festival("womens_day", _("March 8 festival"), CHINA, fix_day(3, 8), before=4),
    Festival("may_20", _("May 20"), CHINA, fix_day(5, 20), before=3),
    Festival("june_18", _("618 festival"), CHINA, fix_day(6, 18), before=17, after=2),
    Festival("qixi", _("Qixi festival"), CHINA, find_qixi, before=5),
    Festival("singles_day", _("Singles' Day (11.11)"), CHINA, fix_day(11, 11), before=11),
    Festival("december_12", _("December 12 festival"), CHINA, fix_day(12, 12), before=4),
    Festival("black_friday", _("Black Friday"), BLACK_FRIDAY_COUNTRIES, find_black_friday, before=4),
    Festival(
        "cyber_monday",
        _("Cyber Monday"),
        BLACK_FRIDAY_COUNTRIES,
        lambda year: find_black_friday(year) + timedelta(days=3),
        before=2,
    ),
)


def list_festivals(country: str, first: date, last: date) -> list[FestivalPeriod]:
    """Return the festivals of a country that touch these days, by their first day; none for an unknown or empty country."""
    found = _find_periods(country.upper(), first.year - 1, last.year + 1)
    return [period for period in found if period.first <= last and period.last >= first]


@lru_cache(maxsize=64)
def _find_periods(country: str, first_year: int, last_year: int) -> tuple[FestivalPeriod, ...]:
    periods = [
        FestivalPeriod(
            festival.key,
            festival.label,
            day - timedelta(days=festival.before),
            day,
            day + timedelta(days=festival.after),
        )
        for festival in FESTIVALS
        if country in festival.countries
        for year in range(max(first_year, 1), min(last_year, 9998) + 1)
        if (day := festival.rule(year)) is not None
    ]
    return tuple(sorted(periods, key=lambda period: (period.first, period.main)))


def list_main_days(country: str, first_year: int, last_year: int) -> npt.NDArray[np.datetime64]:
    """Return the main days of the festivals of a country, ascending."""
    periods = _find_periods(country.upper(), first_year, last_year)
    return np.array(sorted(period.main for period in periods), dtype="datetime64[D]")


def list_festival_days(country: str, first_year: int, last_year: int) -> npt.NDArray[np.datetime64]:
    """Return all days of the festivals of a country, ascending and each once."""
    days = [
        np.arange(np.datetime64(period.first, "D"), np.datetime64(period.last, "D") + np.timedelta64(1, "D"))
        for period in _find_periods(country.upper(), first_year, last_year)
    ]
    return np.unique(np.concatenate(days)) if days else np.array([], dtype="datetime64[D]")
