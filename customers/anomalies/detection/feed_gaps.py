"""Whether collection stopped during a day: hours without any data in which something must have happened."""

import numpy as np

from config.foundation.array_types import Floats
from customers.anomalies.detection.expectation import MISSING_UNITS

HOURS = 24
PROFILE_DAYS = 28
WEEK = 7


def find_stopped_hour(counts: Floats, day: int) -> int | None:
    """Return the hour from which nothing arrived until midnight although something must have happened; None if it may be chance.

    Args:
        counts: (days, 24), by hour of the shop's clock. day: the row to evaluate, by up to 28 rows before it.
    The number expected after the last hour with data is the smaller of the means of the same weekday and of all days, so that closed
    weekends and nights are not gaps. If ten are expected, the chance of none is e⁻¹⁰.
    """
    earlier = counts[max(0, day - PROFILE_DAYS) : day]
    if len(earlier) < 2 * WEEK:
        return None
    same_weekday = earlier[len(earlier) % WEEK :: WEEK]
    profile = np.minimum(earlier.mean(axis=0), same_weekday.mean(axis=0))
    busy = np.flatnonzero(counts[day])
    start = int(busy[-1]) + 1 if len(busy) else 0
    return start if start < HOURS and profile[start:].sum() >= MISSING_UNITS else None
