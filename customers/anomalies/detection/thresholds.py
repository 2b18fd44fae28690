"""How unusual a deviation is: tails calibrated on the metric's own past, and false-discovery control over all metrics of a day.

A normal distribution would call a shop's ordinary days anomalies, because days vary more than chance alone. The largest past deviations
show how the tail continues: peaks over a threshold (Davison & Smith, J. R. Stat. Soc. B 1990; for anomalies Siffer et al., KDD 2017).
"""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats

TAIL_SHARE = 0.15
MEMORY_DAYS = 182
MIN_SCORES = 56
MIN_HOLIDAYS = 3
HOLIDAY_FACTOR = 1.5  # a holiday varies at least this much more than another day
POWER = 1.5  # the tail is exponential in the power of the score: between an exponential (1) and a normal one (2)
WINSOR = 3.0


@dataclass(frozen=True, eq=False)
class TailTable:
    """The tails of n metrics on one day; arrays of shape (n, 2), the lower side first.

    threshold: scores beyond it are in the tail. scale: mean excess of powered scores. count: number of excesses. widening: (n,), by
    which a score is divided. is_known: (n,), whether there are enough scores.
    """

    threshold: Floats
    scale: Floats
    count: Floats
    widening: Floats
    is_known: Flags

    def compute_p_values(self, score: Floats) -> Floats:
        """Return the two-sided p-values of scores, (n,); 1 inside both thresholds, NaN where the tail is not known.

        Twice that of a side: share · (1 + y ÷ (k·β))⁻ᵏ for the excess y, the predictive distribution of an exponential tail of which k
        excesses with the mean β are known.
        """
        scaled = score / self.widening
        sides = np.column_stack([-scaled, scaled])
        excess = power(sides) - power(self.threshold)
        with np.errstate(invalid="ignore"):
            tail = TAIL_SHARE * (1 + np.maximum(excess, 0) / (self.count * self.scale)) ** -self.count
            p_value = np.where(excess > 0, 2 * tail, 1.0).min(axis=1)
        return np.where(self.is_known & np.isfinite(score), p_value, np.nan)

    def compute_limits(self, level: float) -> tuple[Floats, Floats]:
        """Return the scores with a two-sided p-value of `level`, (n,) each: the lower and the upper one."""
        excess = self.count * self.scale * ((level / 2 / TAIL_SHARE) ** (-1 / self.count) - 1)
        limit = root(power(self.threshold) + excess) * self.widening[:, None]
        limit = np.where(self.is_known[:, None], limit, np.nan)
        return -limit[:, 0], limit[:, 1]


def power(values: Floats) -> Floats:
    return np.sign(values) * np.abs(values) ** POWER


def root(values: Floats) -> Floats:
    return np.sign(values) * np.abs(values) ** (1 / POWER)


def fit_tails(score: Floats, holiday_score: Floats, *, is_holiday: bool) -> TailTable:
    """Return the tails from the scores of earlier days, (n, days); the last 182 count. On a holiday, earlier holidays widen them."""
    recent = score[:, -MEMORY_DAYS:]
    known = np.isfinite(recent).sum(axis=1) >= MIN_SCORES
    usable = np.where(known[:, None], recent, 0.0)
    threshold, scale, count = (np.ones((len(score), 2)) for _ in range(3))
    for side, sign in enumerate((-1, 1)):
        values = sign * usable
        limit = take_quantile(values, 1 - TAIL_SHARE)
        excess = np.where(values > limit[:, None], power(values) - power(limit)[:, None], np.nan)
        count[:, side] = np.maximum(np.isfinite(excess).sum(axis=1), 1)
        threshold[:, side], scale[:, side] = limit, _average_excess(excess)
    widening = np.ones(len(score))
    if is_holiday:
        holidays = np.isfinite(holiday_score).sum(axis=1)
        known &= holidays >= MIN_HOLIDAYS
        spread = np.sqrt(np.nan_to_num(_average_squares(holiday_score)) / np.maximum(_average_squares(usable), 1e-9))
        widening = np.maximum(spread, HOLIDAY_FACTOR)
    return TailTable(threshold, scale, count, widening, known)


def _average_squares(values: Floats) -> Floats:
    known = np.isfinite(values)
    return np.asarray((np.where(known, values, 0) ** 2).sum(axis=1) / np.maximum(known.sum(axis=1), 1))


def _average_excess(excess: Floats) -> Floats:
    """Return the mean excess of each row, with outliers limited to three medians; 1 without any."""
    known = np.isfinite(excess)
    limit = WINSOR * take_quantile(excess, 0.5)
    total = np.where(known, np.minimum(excess, limit[:, None]), 0).sum(axis=1)
    return np.where(known.any(axis=1), np.maximum(total / np.maximum(known.sum(axis=1), 1), 1e-6), 1.0)


def take_quantile(values: Floats, share: float) -> Floats:
    """Return a quantile of the known values of each row, interpolated between the two nearest; NaN without any."""
    ordered = np.sort(values, axis=1)  # NaNs come last
    position = np.maximum(np.isfinite(values).sum(axis=1) - 1, 0) * share
    rows, low = np.arange(len(values)), np.floor(position).astype(np.int64)
    high = np.ceil(position).astype(np.int64)
    return ordered[rows, low] + (position - low) * (ordered[rows, high] - ordered[rows, low])


def count_discoveries(p_values: Floats, rate: float) -> int:
    """Return how many of the smallest p-values are discoveries at a false discovery rate (Benjamini & Hochberg 1995); NaNs are left out."""
    known = np.sort(p_values[np.isfinite(p_values)])
    below = np.flatnonzero(known <= rate * np.arange(1, len(known) + 1) / max(len(known), 1))
    return int(below[-1]) + 1 if len(below) else 0
