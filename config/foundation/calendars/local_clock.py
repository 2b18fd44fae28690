"""The days of a time zone for arrays of moments, daylight saving time included.

A day of a shop is the time between two midnights of its time zone. All moments are microseconds since 1970.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from config.foundation.array_types import NEVER, Ints

SECOND = 1_000_000
DAY = 86_400 * SECOND
# Seconds since 1970; no time zone has changed its offset twice within a week in these years.
FIRST, LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1990, 2060))
STEP = 7 * 86_400


@dataclass(frozen=True, eq=False)
class LocalClock:
    """The clock of a time zone between 1990 and 2060, arrays of shape (k,).

    start: the moments from which an offset applies, ascending; the first applies to all earlier moments too. offset: of local time to UTC.
    floor: the earliest local time from then on, so that days never go back when the clock is set back across midnight.
    """

    start: Ints
    offset: Ints
    floor: Ints

    def to_local(self, at: Ints) -> Ints:
        """Return the local times of moments, in microseconds since 1970 on this clock."""
        if len(self.start) == 1:
            return at + self.offset[0]
        position = np.maximum(np.searchsorted(self.start, at, side="right") - 1, 0)
        return np.maximum(at + self.offset[position], self.floor[position])

    def to_moments(self, local: Ints) -> Ints:
        """Return the first moments at which the clock has reached local times."""
        reached = np.maximum.accumulate(self.start[1:] + self.offset[:-1])  # the local time at which each offset ends
        position = np.searchsorted(reached, local, side="right")
        return np.maximum(local - self.offset[position], np.append(-NEVER, self.start[1:])[position])

    def count_days(self, at: Ints) -> Ints:
        """Return the days of moments, as numbers of days since 1970-01-01."""
        return self.to_local(at) // DAY

    def find_day_starts(self, at: Ints) -> Ints:
        """Return the moments at which the days of moments begin."""
        return self.to_moments(self.count_days(at) * DAY)

    def get_day(self, moment: int) -> int:
        return int(self.count_days(np.array([moment]))[0])

    def get_day_start(self, day: int) -> int:
        """Return the moment at which a day begins."""
        return int(self.to_moments(np.array([day * DAY]))[0])

    def list_changes(self, low: int, high: int) -> list[tuple[int, int]]:
        """Return each change of the offset between two moments, as pairs of moment and new offset; the first is the offset at ``low``."""
        position = max(int(np.searchsorted(self.start, low, side="right")) - 1, 0)
        is_within = (self.start > low) & (self.start < high)
        changes = zip(self.start[is_within].tolist(), self.offset[is_within].tolist(), strict=True)
        return [(low, int(self.offset[position])), *changes]


def build_clock(start: Ints, offset: Ints) -> LocalClock:
    """Return the clock of these offsets."""
    last_day = (start[1:] + offset[:-1] - 1) // DAY  # the day that each offset has reached
    return LocalClock(start, offset, np.append(-NEVER, last_day * DAY))


UTC_CLOCK = build_clock(np.zeros(1, np.int64), np.zeros(1, np.int64))


@lru_cache(maxsize=16)
def get_local_clock(zone: ZoneInfo) -> LocalClock:
    """Return the clock of a time zone; zoneinfo does not list its changes, so each is searched for, to the second."""
    starts, offsets = [FIRST], [_get_offset(FIRST, zone)]
    for second in range(FIRST, LAST, STEP):
        later = _get_offset(second + STEP, zone)
        if later != offsets[-1]:
            starts.append(_find_change(second, second + STEP, zone))
            offsets.append(later)
    return build_clock(np.array(starts) * SECOND, np.array(offsets) * SECOND)


def _find_change(low: int, high: int, zone: ZoneInfo) -> int:
    before = _get_offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _get_offset(middle, zone) == before else (low, middle)
    return high


def _get_offset(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
