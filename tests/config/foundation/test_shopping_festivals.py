"""Shopping festivals by country and year."""

from datetime import date, timedelta

import holidays
import numpy as np
import pytest

from config.foundation.calendars.public_holidays import find_spring_festival, name_holidays
from config.foundation.calendars.shopping_festivals import QIXI, list_festival_days, list_festivals, list_main_days
from customers.demand.forecasting.calendar_features import build_calendar


@pytest.mark.parametrize("year", QIXI)
def test_qixi_is_two_lunar_months_and_two_days_after_the_dragon_boat_festival(year: int) -> None:
    found = holidays.country_holidays("CN", years=year, language="en_US")
    # a substitute day off may follow, or the festival shares its day with another one
    boat = min(day for day, name in found.items() if "Dragon Boat" in name and "observed" not in name)
    gap = (date(year, *QIXI[year]) - boat).days
    assert any(months - 1 <= gap - 2 <= months for months in (59, 60, 88, 89)), gap  # with a leap month between them


def test_the_festivals_of_a_year() -> None:
    periods = {period.key: period for period in list_festivals("cn", date(2026, 1, 1), date(2026, 12, 31))}
    assert find_spring_festival(2026) == date(2026, 2, 17)
    assert (periods["new_year_shopping"].first, periods["new_year_shopping"].last) == (
        date(2026, 1, 20),
        date(2026, 2, 12),
    )
    assert (periods["singles_day"].first, periods["singles_day"].main) == (date(2026, 10, 31), date(2026, 11, 11))
    assert periods["qixi"].main == date(2026, 8, 19)
    assert [period.main for period in list_festivals("DE", date(2026, 11, 1), date(2026, 11, 30))] == [
        date(2026, 11, 27),
        date(2026, 11, 30),
    ]
    assert list_festivals("", date(2026, 1, 1), date(2026, 12, 31)) == []


def test_the_forecast_knows_how_far_a_festival_is() -> None:
    days = np.arange(np.datetime64("2026-11-09"), np.datetime64("2026-11-14"))
    assert build_calendar(days, 1, "CN")[:, 8:].tolist() == [[1, 2], [1, 1], [1, 0], [0, 15], [0, 15]]
    assert build_calendar(days, 1, "")[:, 8:].tolist() == [[0, 15]] * 5
    assert len(list_festival_days("CN", 2026, 2026)) > len(list_main_days("CN", 2026, 2026)) > 5


def test_holidays_have_names_in_the_language_of_the_reader() -> None:
    day = date(2026, 10, 1)
    assert name_holidays("CN", 2026, 2026, language="zh-hans")[day] == "国庆节"
    assert "National Day" in name_holidays("CN", 2026, 2026, language="en")[day]
    assert name_holidays("XX", 2026, 2026, language="en") == {}
    assert find_spring_festival(2027) == find_spring_festival(2026) + timedelta(days=354)
