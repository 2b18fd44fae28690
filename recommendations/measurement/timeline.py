"""From when until when a test runs, and whether its result is final."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.foundation.statistics import compute_normal_critical_value
from recommendations.measurement.statistics.sequential import compute_critical_value

OPEN_ENDED = timedelta(days=90)  # the planned duration of a test without an end: the intervals are narrowest around it


@dataclass(frozen=True)
class Timeline:
    """When a test started, and until when its outcomes count.

    Attributes:
        planned_end: the end of the last window; for a test without an end, a duration to which the width of the intervals is tuned.
        is_final: nothing changes any more.
        ends: whether the test ends at ``planned_end``. Otherwise customers continue to arrive.
        has_arrivals: whether customers arrive over time although it ends, and their outcomes add up after they arrived.
    """

    started_at: datetime
    as_of: datetime
    planned_end: datetime
    is_final: bool
    ends: bool = True
    has_arrivals: bool = False

    @property
    def fraction(self) -> float:
        """The share of the planned information that there is: the clock of `compute_always_valid_interval`.

        The elapsed share of the planned duration; its square if customers arrive over time and their orders add up, because both the
        customers and the time of each grow with the duration.
        """
        planned = max((self.planned_end - self.started_at).total_seconds(), 1.0)
        elapsed = (self.as_of - self.started_at).total_seconds() / planned
        return max(elapsed**2 if self.has_arrivals or not self.ends else elapsed, 1e-3)

    def compute_critical_value(self, level: float = 0.95) -> float:
        """Return the half-width of its normal intervals in standard errors: of a single look when it is final, always valid before."""
        return compute_normal_critical_value(level) if self.is_final else compute_critical_value(self.fraction, level)
