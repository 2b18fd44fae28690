"""What a comparison can show: the smallest effect, and when a relevant one could be shown."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isnan, sqrt
from statistics import NormalDist

from recommendations.measurement.statistics.power import ALPHA, POWER
from recommendations.measurement.statistics.sequential import compute_critical_value
from recommendations.measurement.timeline import Timeline

RELEVANT_LIFT = 0.1  # relative; if 10% more and 10% less can be excluded, there is no large effect
FORESEEABLE = timedelta(days=730)
LONGEST = timedelta(days=36_525)  # a century; more is not computed, because it may be longer than a timedelta can be


@dataclass(frozen=True)
class Detectability:
    """What these numbers can show.

    Attributes:
        smallest: the smallest additional revenue per customer that they would show with 80% power; relative: to the control group.
        total: the same for all treated customers.
        wanted: RELEVANT_LIFT of the revenue per customer of the control group.
        factor: how many times as many customers it would take to show ``wanted``; 1 or less: it can be shown now.
        possible_at: when it can be shown at the present pace; None if not before the end or in the foreseeable future.
    """

    smallest: float
    relative: float | None
    total: float
    wanted: float | None
    factor: float | None
    possible_at: datetime | None


def compute_detectability(
    *, standard_error: float, control_mean: float, treated: int, timeline: Timeline
) -> Detectability | None:
    """Return the smallest effect on the revenue that would be shown, and when RELEVANT_LIFT could be.

    (z + z₁₋β)·s, with s the standard error of the adjusted difference and z the critical value of the interval that is shown. With
    twice as many customers or orders, s is 1/√2 as large, so the factor of the customers is (smallest / wanted)².
    """
    if isnan(standard_error) or standard_error == 0:
        return None
    normal = NormalDist()
    final = normal.inv_cdf(1 - ALPHA / 2)
    now = final if timeline.is_final else compute_critical_value(timeline.fraction)
    power = normal.inv_cdf(POWER)
    smallest = (now + power) * standard_error
    wanted = RELEVANT_LIFT * control_mean if control_mean > 0 else None
    if wanted is None:
        return Detectability(smallest, None, smallest * treated, None, None, None)
    at_end = final if timeline.ends else now
    factor = ((at_end + power) * standard_error / wanted) ** 2
    return Detectability(
        smallest=smallest,
        relative=smallest / control_mean,
        total=smallest * treated,
        wanted=wanted,
        factor=factor,
        possible_at=find_possible_date(factor, timeline),
    )


def find_possible_date(factor: float, timeline: Timeline) -> datetime | None:
    """Return when there will be ``factor`` times the present numbers, if they continue to arrive at the present pace."""
    if timeline.is_final or sqrt(factor) > 1e4:
        return None
    elapsed = timeline.as_of - timeline.started_at
    if elapsed / LONGEST * factor > 1:
        return None
    needed = elapsed * factor
    if timeline.ends:  # read once, at the end
        return timeline.planned_end if timeline.started_at + min(needed, FORESEEABLE) <= timeline.planned_end else None
    return max(timeline.started_at + needed, timeline.as_of) if needed <= FORESEEABLE else None
