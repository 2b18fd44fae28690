"""Days, weeks and months in the time zone of the shop, computed from microseconds with integer arithmetic.

The offsets of the time zone come from Python's zoneinfo as a list of changes, so all engines agree, daylight saving time included.
"""

import itertools
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir

from config.foundation.calendars.local_clock import get_local_clock

EPOCH = date(1970, 1, 1)
SECOND = 1_000_000  # microseconds, like all times here
HOUR = 3600 * SECOND
DAY = 24 * HOUR
YEAR_DAYS = 366


class PeriodUnit(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


def to_instant(day: date, zone: ZoneInfo) -> int:
    """Return the microseconds since 1970 at which a local day begins."""
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * SECOND


def find_offset_changes(zone: ZoneInfo, since: date, until: date) -> list[tuple[int, int]]:
    """Return (instant, offset from then on), both in microseconds; the first offset also applies before its instant.

    They begin a year before the days, because some questions compare with earlier periods.
    """
    low = datetime(since.year, since.month, since.day, tzinfo=UTC) - timedelta(days=YEAR_DAYS)
    high = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=3)
    return get_local_clock(zone).list_changes(*(int(moment.timestamp()) * SECOND for moment in (low, high)))


def build_local(at: ir.IntegerValue, zone: ZoneInfo, since: date, until: date) -> ir.IntegerValue:
    """Return the local time of the shop, in microseconds since 1970 on its clock."""
    changes = find_offset_changes(zone, since, until)
    if len(changes) == 1:
        return at + changes[0][1]
    branches = [
        (at < instant, ibis.literal(before, "int64")) for (_, before), (instant, _) in itertools.pairwise(changes)
    ]
    return at + ibis.cases(*branches, else_=ibis.literal(changes[-1][1], "int64"))


def build_day(at: ir.IntegerValue, zone: ZoneInfo, since: date, until: date) -> ir.IntegerValue:
    """Return the number of the local day, counted from 1970-01-01."""
    return build_local(at, zone, since, until) // DAY


def build_period(day: ir.IntegerValue, interval: PeriodUnit) -> ir.IntegerValue:
    """Return the number of the day, ISO week, month or quarter in which a day is, counted from 1970."""
    if interval == PeriodUnit.DAY:
        return day
    if interval == PeriodUnit.WEEK:
        return (day + 3) // 7  # 1970-01-01 was a Thursday
    start = ibis.literal(EPOCH) + day.as_interval("D")
    month = (start.year().cast("int64") - 1970) * 12 + start.month().cast("int64") - 1
    return month // 3 if interval == PeriodUnit.QUARTER else month


def number_period(day: date, interval: PeriodUnit) -> int:
    """Return the number that `build_period` gives for a day."""
    days = (day - EPOCH).days
    if interval == PeriodUnit.DAY:
        return days
    if interval == PeriodUnit.WEEK:
        return (days + 3) // 7
    month = (day.year - 1970) * 12 + day.month - 1
    return month // 3 if interval == PeriodUnit.QUARTER else month


def get_period_start(number: int, interval: PeriodUnit) -> date:
    """Return the first day of a period."""
    if interval == PeriodUnit.QUARTER:
        number, interval = number * 3, PeriodUnit.MONTH
    if interval == PeriodUnit.MONTH:
        return date(1970 + number // 12, number % 12 + 1, 1)
    return EPOCH + timedelta(days=number * 7 - 3 if interval == PeriodUnit.WEEK else number)


def is_complete(number: int, interval: PeriodUnit, *, until: date, as_of: datetime, zone: ZoneInfo) -> bool:
    """Return whether a period had ended by ``as_of`` and lies within the days of the question."""
    end = get_period_start(number + 1, interval)
    return end <= until + timedelta(days=1) and to_instant(end, zone) <= as_of.timestamp() * SECOND
