"""Evaluates the last days of all metrics: expected value, usual range, and which of them are anomalies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats
from customers.anomalies.detection.expectation import compute_expectation
from customers.anomalies.detection.series import MetricPanel, invert, transform
from customers.anomalies.detection.thresholds import count_discoveries, fit_tails

FALSE_DISCOVERY_RATE = 0.006  # per day; what it means per month is measured by `python -m benchmarks.anomalies`
MIN_UNITS = (
    5.0  # a difference of fewer than five orders is not worth reporting; amounts in units of their variance ÷ mean
)
MIN_CHANGE = 0.1  # a smaller deviation from the expected value can be significant in a large shop, but matters in none


@dataclass(frozen=True, eq=False)
class EvaluatedDays:
    """The evaluated days of n metrics; arrays of shape (n, days). expected, low, high: totals, NaN if not known. unit: (n,)."""

    days: tuple[int, ...]
    expected: Floats
    low: Floats
    high: Floats
    p_value: Floats
    is_anomaly: Flags
    is_missing: Flags
    unit: Floats


def evaluate_days(panel: MetricPanel, days: Sequence[int], *, rate: float = FALSE_DISCOVERY_RATE) -> EvaluatedDays:
    """Evaluate each day by what was known before it.

    Args:
        days: their indexes in the panel. rate: of false discoveries among the metrics of a day.
    The range of a day ends where the p-value is the largest one that still is a discovery, so a total is outside of it exactly if it is an
    anomaly (or its deviation is too small to matter).
    """
    shape = (len(panel.total), len(days))
    model = compute_expectation(panel)
    low, high, p_value = (np.full(shape, np.nan) for _ in range(3))
    is_anomaly = np.zeros(shape, bool)
    for column, day in enumerate(days):
        is_holiday = bool(panel.is_holiday[day])
        tails = fit_tails(model.score[:, :day], model.holiday_score[:, :day], is_holiday=is_holiday)
        missing = model.is_missing[:, day]
        expected = model.expected[:, day]
        spread = model.spread[:, day]
        scores = (transform(panel.total[:, day], model.unit) - transform(expected, model.unit)) / spread
        p_value[:, column] = np.where(missing, np.nan, tails.compute_p_values(scores))
        known = max(int(np.isfinite(p_value[:, column]).sum()), 1)
        discoveries = count_discoveries(p_value[:, column], rate)
        level = rate * max(discoveries, 1) / known
        bottom, top = tails.compute_limits(level)
        center = transform(expected, model.unit)
        low[:, column] = _limit(panel, center + bottom * spread, model.unit)
        high[:, column] = invert(center + top * spread, model.unit)
        distance = np.abs(panel.total[:, day] - expected)
        is_large = (distance >= MIN_CHANGE * np.abs(expected)) & (distance >= MIN_UNITS * model.unit)
        is_anomaly[:, column] = (p_value[:, column] <= level) & (discoveries > 0) & is_large
    columns = list(days)
    return EvaluatedDays(
        tuple(days),
        model.expected[:, columns],
        low,
        high,
        p_value,
        is_anomaly,
        model.is_missing[:, columns],
        model.unit,
    )


def _limit(panel: MetricPanel, score: Floats, unit: Floats) -> Floats:
    """Return the totals of scores; counts do not go below 0."""
    total = invert(score, unit)
    return np.where(panel.is_count, np.maximum(total, 0), total)
