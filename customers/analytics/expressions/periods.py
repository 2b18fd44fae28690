"""Days, weeks and months in the time zone of the shop, computed from microseconds with integer arithmetic.

The offsets of the time zone come from Python's zoneinfo as a list of changes, so all engines agree, daylight saving time included.
"""

import itertools
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

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
    moment = datetime(since.year, since.month, since.day, tzinfo=UTC) - timedelta(days=YEAR_DAYS)
    end = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=3)
    changes = [(_count_microseconds(moment), _get_offset(moment, zone))]
    while moment < end:
        later = moment + timedelta(days=1)
        if _get_offset(later, zone) != changes[-1][1]:
            changes.append((_count_microseconds(_find_change(moment, later, zone)), _get_offset(later, zone)))
        moment = later
    return changes


def _find_change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    before = _get_offset(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (middle, high) if _get_offset(middle, zone) == before else (low, middle)
    return high


def _get_offset(moment: datetime, zone: ZoneInfo) -> int:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) * SECOND


def _count_microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND


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


def count_local_days(at: npt.NDArray[np.int64], zone: ZoneInfo, since: date, until: date) -> npt.NDArray[np.int64]:
    """Return what `build_day` returns, for an array of microseconds since 1970."""
    changes = np.array(find_offset_changes(zone, since, until))
    position = np.maximum(np.searchsorted(changes[:, 0], at, side="right") - 1, 0)
    return (at + changes[position, 1]) // DAY


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
