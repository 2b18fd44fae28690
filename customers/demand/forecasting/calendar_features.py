"""Calendar features of a period: weekday, season of the year, public holidays, shopping festivals."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats
from config.foundation.calendars.public_holidays import list_holidays
from config.foundation.calendars.shopping_festivals import list_festival_days, list_main_days

FAR = 15  # days from a holiday after which its distance no longer matters
Days = npt.NDArray[np.datetime64]


def build_calendar(days: Days, step_days: int, country: str) -> Floats:
    """Return the calendar of periods, (T, 10).

    Columns: weekday (0 Monday), day of the month, sine and cosine of the day of the year, holidays in the period, days until the next
    holiday and since the last one (at most 15), sine of twice the year, days of a shopping festival in the period, days until the main day of
    the next festival (at most 15).
    """
    day = days.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    of_year = 2 * np.pi * (day - day.astype("datetime64[Y]")).astype(np.int64) / 365.25
    weekday = (day.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    holidays = list_holidays(country, *_get_years(day))
    festival, main_days = list_festival_days(country, *_get_years(day)), list_main_days(country, *_get_years(day))
    inside = np.searchsorted(holidays, day + np.timedelta64(step_days, "D")) - np.searchsorted(holidays, day)
    return np.column_stack(
        [
            weekday,
            (day - month).astype(np.int64) + 1,
            np.sin(of_year),
            np.cos(of_year),
            inside,
            _measure_distance(day, holidays, ahead=True),
            _measure_distance(day, holidays, ahead=False),
            np.sin(2 * of_year),
            np.searchsorted(festival, day + np.timedelta64(step_days, "D")) - np.searchsorted(festival, day),
            _measure_distance(day, main_days, ahead=True),
        ]
    ).astype(np.float64)


def _get_years(days: Days) -> tuple[int, int]:
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    return int(years.min()) - 1, int(years.max()) + 1


def _measure_distance(days: Days, holidays: Days, *, ahead: bool) -> Floats:
    if not len(holidays):
        return np.full(len(days), float(FAR))
    row = np.searchsorted(holidays, days, side="left" if ahead else "right") - (0 if ahead else 1)
    known = (row >= 0) & (row < len(holidays))
    distance = np.abs((holidays[row.clip(0, len(holidays) - 1)] - days).astype(np.int64))
    return np.where(known, np.minimum(distance, FAR), FAR).astype(np.float64)
