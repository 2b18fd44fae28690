"""Public holidays by country."""

from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt


def list_holidays(country: str, first_year: int, last_year: int) -> npt.NDArray[np.datetime64]:
    """Return the public holidays of a country, from the package ``holidays``, ascending; empty for an unknown or empty country."""
    return np.array(_find_holidays(country.upper(), first_year, last_year), dtype="datetime64[D]")


@lru_cache(maxsize=64)
def _find_holidays(country: str, first_year: int, last_year: int) -> tuple[np.datetime64, ...]:
    found = _load_calendar(country, first_year, last_year)
    return () if found is None else tuple(np.datetime64(day, "D") for day in sorted(found))


@lru_cache(maxsize=64)
def _load_calendar(country: str, first_year: int, last_year: int) -> Any:
    if not country:
        return None
    import holidays

    if country not in holidays.list_supported_countries():
        return None
    return holidays.country_holidays(country, years=range(first_year, last_year + 1))


@lru_cache(maxsize=256)
def find_spring_festival(year: int) -> date | None:
    """Return the lunar new year, the first day of China's Spring Festival; None outside of the years that the package knows."""
    found = _load_calendar("CN", year, year)
    return min((day for day, name in found.items() if day.year == year and name.startswith("春节")), default=None)


def name_holidays(country: str, first_year: int, last_year: int, *, language: str) -> dict[date, str]:
    """Return the public holidays of a country with their names, in a language if the package has it, otherwise in the country's own."""
    if _load_calendar(country.upper(), first_year, last_year) is None:
        return {}
    import holidays

    years = range(first_year, last_year + 1)
    supported = getattr(holidays.country_holidays(country.upper()), "supported_languages", ())
    wanted = {"zh-hans": "zh_CN", "en": "en_US"}.get(language.lower(), "")
    return dict(
        holidays.country_holidays(country.upper(), years=years, language=wanted if wanted in supported else None)
    )


def is_working_day(day: date, *, country: str) -> bool:
    """Return whether people work on a day: neither weekend nor holiday, or a weekend day that is made a working day, as in China."""
    found = _load_calendar(country.upper(), day.year, day.year)
    return day.weekday() < 5 if found is None else bool(found.is_working_day(day))
