"""The days of a clock are those of zoneinfo, around every midnight and every change of the clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from config.foundation.calendars.local_clock import DAY, SECOND, UTC_CLOCK, get_local_clock

ZONES = ("UTC", "Asia/Shanghai", "America/Los_Angeles", "Australia/Sydney", "America/St_Johns", "Asia/Beirut")
MINUTE = 60 * SECOND
EPOCH = date(1970, 1, 1)


def to_moment(moment: datetime) -> int:
    return round(moment.timestamp()) * SECOND


def make_moments(zone: str) -> list[int]:
    """Return the moments around midnight in the zone and in UTC of the days of 2012 and 2013, and around changes of the clock."""
    days = [date(2012, 1, 1) + timedelta(days=number) for number in range(731)]
    edges = [
        to_moment(datetime(day.year, day.month, day.day, tzinfo=each)) for day in days for each in (ZoneInfo(zone), UTC)
    ]
    edges += [moment for moment, _offset in get_local_clock(ZoneInfo(zone)).list_changes(edges[0], edges[-1])]
    return sorted({edge + shift for edge in edges for shift in (-61 * MINUTE, -1, 0, MINUTE, 61 * MINUTE)})


@pytest.mark.parametrize("zone", ZONES)
def test_days_and_local_times_are_those_of_the_time_zone(zone: str) -> None:
    moments = make_moments(zone)
    seconds = [moment // SECOND for moment in moments]
    local = [datetime.fromtimestamp(second, ZoneInfo(zone)).replace(tzinfo=UTC) for second in seconds]
    clock = get_local_clock(ZoneInfo(zone))
    assert clock.count_days(np.array(moments)).tolist() == [(moment.date() - EPOCH).days for moment in local]
    assert clock.to_local(np.array(seconds) * SECOND).tolist() == [to_moment(moment) for moment in local]


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_begins_at_its_first_moment(zone: str) -> None:
    clock = get_local_clock(ZoneInfo(zone))
    days = np.arange(14_000, 18_000)  # 2008 to 2019
    starts = clock.to_moments(days * DAY)
    assert clock.count_days(starts).tolist() == days.tolist()
    assert clock.count_days(starts - 1).tolist() == (days - 1).tolist()
    assert clock.find_day_starts(starts + DAY // 2).tolist() == starts.tolist()


def test_days_never_go_back_when_the_clock_is_set_back_across_midnight() -> None:
    """In Newfoundland, one minute past midnight of November 7, 2010 was followed by 23:01 of November 6."""
    clock = get_local_clock(ZoneInfo("America/St_Johns"))
    change = to_moment(datetime(2010, 11, 7, 2, 31, tzinfo=UTC))
    days = clock.count_days(change + np.array([-2, -1, 0, 59]) * MINUTE)
    assert (days - days[0]).tolist() == [0, 1, 1, 1]


def test_days_of_utc_count_before_1970_too() -> None:
    assert UTC_CLOCK.count_days(np.array([-1, 0, DAY - 1, DAY])).tolist() == [-1, 0, 0, 1]
    assert UTC_CLOCK.get_day_start(-400) == -400 * DAY


def test_the_changes_of_a_period_begin_with_its_first_offset() -> None:
    clock = get_local_clock(ZoneInfo("America/Los_Angeles"))
    low, high = to_moment(datetime(2025, 1, 1, tzinfo=UTC)), to_moment(datetime(2025, 12, 1, tzinfo=UTC))
    hour = 60 * MINUTE
    assert clock.list_changes(low, high) == [
        (low, -8 * hour),
        (to_moment(datetime(2025, 3, 9, 10, tzinfo=UTC)), -7 * hour),
        (to_moment(datetime(2025, 11, 2, 9, tzinfo=UTC)), -8 * hour),
    ]
