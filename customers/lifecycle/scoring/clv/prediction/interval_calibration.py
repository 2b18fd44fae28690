"""The correction of prediction intervals: how fast purchase rates drift, and which quantiles have the stated coverage.

Both are learned on earlier cuts; see `interval_learning`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clv.purchase_histories import HistoryGroups

type Quantity = Literal["purchases", "spend"]

QUANTITIES: tuple[Quantity, ...] = ("purchases", "spend")
LEVEL = 0.8  # the stated probability that the correction is learned for
YEAR_DAYS = 365.25


@dataclass(frozen=True, eq=False)
class LevelTable:
    """Nominal levels: the central share of the predictive distribution that contained 80 % of actual values.

    horizon_days: shape (h,), ascending. rate_starts: shape (c,), the smallest yearly purchase rate of each frequency class, the
    first 0. levels: shape (h, c), not falling with the horizon.
    """

    horizon_days: Floats
    rate_starts: Floats
    levels: Floats

    def interpolate(self, horizon_days: float) -> Floats:
        """Return the level of each class, shape (c,): linear in the logarithm of the horizon, constant outside the table."""
        position, known = np.log(horizon_days), np.log(self.horizon_days)
        return np.array([np.interp(position, known, levels) for levels in self.levels.T])


@dataclass(frozen=True, eq=False)
class IntervalCalibration:
    """The correction of one purchase model's intervals.

    drift_days: as for `compute_rate_posterior`, infinite if purchase rates don't change. tables: by quantity; a quantity without a table is not
    corrected, as in a shop with too few customers.
    """

    drift_days: float = np.inf
    tables: Mapping[Quantity, LevelTable] = field(default_factory=dict)

    def find_levels(self, *, quantity: Quantity, rate: Floats, horizon_days: float, level: float = LEVEL) -> Floats:
        """Return the nominal level of each interval that is stated to hold with probability `level`, shape (n,).

        rate: yearly purchase rates of `measure_yearly_rate`, shape (n,).
        Levels other than 80 % follow from the power p^k that maps the nominal level of 80 % to 80 %.
        """
        table = self.tables.get(quantity)
        if table is None:
            return np.full(len(rate), level)
        levels = table.interpolate(horizon_days)[classify_rates(rate, table.rate_starts)]
        if level != LEVEL:
            levels = level ** (np.log(levels) / np.log(LEVEL))
        return np.asarray(levels, np.float64)


UNCORRECTED = IntervalCalibration()


def measure_yearly_rate(*, r: float, alpha: float, groups: HistoryGroups) -> Floats:
    """Return the expected purchases per year of each group while it is active, shape (g,): (r + x) / (α + T)."""
    return np.asarray((r + groups.x) / (alpha + groups.age) * (YEAR_DAYS / groups.unit_days), np.float64)


def classify_rates(rate: Floats, rate_starts: Floats) -> Ints:
    """Return the frequency class of each rate, from 0."""
    return np.searchsorted(rate_starts, rate, side="right").astype(np.int64) - 1


def serialize_calibration(calibration: IntervalCalibration) -> dict[str, Any]:
    """Return the correction as plain values for JSON."""
    return {
        "drift_days": calibration.drift_days if np.isfinite(calibration.drift_days) else None,
        "tables": {
            quantity: {
                "horizon_days": table.horizon_days.tolist(),
                "rate_starts": table.rate_starts.tolist(),
                "levels": table.levels.tolist(),
            }
            for quantity, table in calibration.tables.items()
        },
    }


def deserialize_calibration(saved: Mapping[str, Any] | None) -> IntervalCalibration:
    """Rebuild a correction; without one, as of earlier releases, intervals are not corrected."""
    if not saved:
        return UNCORRECTED
    return IntervalCalibration(
        np.inf if saved["drift_days"] is None else saved["drift_days"],
        {
            quantity: LevelTable(*(np.array(saved["tables"][quantity][name]) for name in LevelTable.__annotations__))
            for quantity in QUANTITIES
            if quantity in saved["tables"]
        },
    )
