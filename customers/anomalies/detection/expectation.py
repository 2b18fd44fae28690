"""What is expected of each day, from earlier days only: a level that follows slowly, weekdays, public holidays.

A discounted gamma–Poisson filter (West & Harrison 1997, ch. 10.8; Smith & Miller, J. R. Stat. Soc. B 1986) with clipped updates, as in robust
exponential smoothing (Gelper, Fried & Croux, J. Forecast. 2010): an outlier moves the level by no more than a large ordinary deviation.
"""

from dataclasses import dataclass, field

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.anomalies.detection.series import MetricPanel, invert, transform

# a level remembers about 1 ÷ (1 − discount) days; the one with the smallest recent error counts
DISCOUNTS = np.array([0.8, 0.9, 0.96])
WEEKDAY_DISCOUNT = 0.93  # per week
LOSS_DISCOUNT = 0.97
WEEKDAY_PRIOR = (
    5.0  # units that pull the factor of a weekday toward 1, so that small counts have hardly any weekday effect
)
HOLIDAY_PRIOR = 5.0
WARM_UP_DAYS = 28
CLIP = 3.0  # of the usual deviation
SPREAD_CLIP = 2.0  # of the usual deviation, so that an outlier hardly widens the range of the days after it
SPREAD_STEP = 0.05
SHIFT_DAYS = 3  # this many clipped days in a row in the same direction are a new level, not outliers
MIN_SPREAD = 0.1  # of a series that never varied
MISSING_UNITS = 10.0  # a day without anything where this is expected is a gap in the data: a chance of e⁻¹⁰


@dataclass(frozen=True, eq=False)
class Expectation:
    """What was expected of each day, arrays of shape (n, T).

    expected: totals; NaN before it is known. spread: usual deviation of the recent days before, on the scale of `transform`. score:
    deviation ÷ spread; NaN if it is not an ordinary day. holiday_score: the same on public holidays. is_missing: a day without anything
    where something must have happened. unit: (n,).
    """

    expected: Floats
    spread: Floats
    score: Floats
    holiday_score: Floats
    is_missing: Flags
    unit: Floats


def estimate_unit(panel: MetricPanel, first: Ints) -> Floats:
    """Return the variance of a total ÷ its mean in the first weeks of each metric, (n,); 1 for counts.

    Σ(x − r·e)² ÷ (n · mean(r·e)), with the rate r = Σx ÷ Σe, over the first 28 days with an exposure.
    """
    days = np.arange(panel.n_days)
    early = (days[None, :] >= first[:, None]) & (days[None, :] < first[:, None] + WARM_UP_DAYS) & (panel.exposure > 0)
    total, exposure = np.where(early, panel.total, 0), np.where(early, panel.exposure, 0)
    rate = total.sum(axis=1) / np.maximum(exposure.sum(axis=1), 1e-9)
    mean = rate[:, None] * exposure
    ratio = ((total - mean) ** 2).sum(axis=1) / np.maximum(np.abs(mean).sum(axis=1), 1e-9)
    return np.where(panel.is_count | ~(ratio > 1e-9), 1.0, ratio)


@dataclass(eq=False)
class _State:
    """The filter of n metrics with k discounts."""

    n: int
    numerator: Floats = field(init=False)
    denominator: Floats = field(init=False)
    weekday_numerator: Floats = field(init=False)
    weekday_denominator: Floats = field(init=False)
    loss: Floats = field(init=False)
    spread: Floats = field(init=False)
    holiday: Floats = field(init=False)
    seen: Ints = field(init=False)
    run: Ints = field(init=False)  # clipped days in a row, below 0 for totals that are too low

    def __post_init__(self) -> None:
        k = len(DISCOUNTS)
        self.numerator, self.denominator, self.loss = (np.zeros((self.n, k)) for _ in range(3))
        self.weekday_numerator, self.weekday_denominator = (np.zeros((self.n, k, 7)) for _ in range(2))
        self.spread = np.ones((self.n, k))  # mean square of the scores
        self.holiday = np.zeros((self.n, 2))
        self.seen = np.zeros(self.n, np.int64)
        self.run = np.zeros((self.n, k), np.int64)

    def predict(self, weekday: int, unit: Floats) -> tuple[Floats, Floats]:
        """Return the level per exposure and the factor of the weekday, both (n, k)."""
        prior = WEEKDAY_PRIOR * unit[:, None, None]
        factors = np.maximum((self.weekday_numerator + prior) / (self.weekday_denominator + prior), 0.02)
        factor = factors[:, :, weekday] / factors.mean(axis=2)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.numerator / self.denominator, factor

    def get_holiday_factor(self, unit: Floats) -> Floats:
        prior = HOLIDAY_PRIOR * unit
        return np.clip((self.holiday[:, 0] + prior) / (self.holiday[:, 1] + prior), 0.05, 20)

    def update(self, rows: Flags, clipped: Floats, exposure: Floats, factor: Floats, level: Floats, day: int) -> None:
        """Take in an ordinary day of some metrics. clipped: totals, (n, k)."""
        self.numerator[rows] = DISCOUNTS * self.numerator[rows] + clipped[rows]
        self.denominator[rows] = DISCOUNTS * self.denominator[rows] + (factor * exposure[:, None])[rows]
        known = rows & np.isfinite(level).all(axis=1)
        for stored, added in ((self.weekday_numerator, clipped), (self.weekday_denominator, level * exposure[:, None])):
            stored[known, :, day] = WEEKDAY_DISCOUNT * stored[known, :, day] + added[known]
        self.seen[rows] += 1


def compute_expectation(panel: MetricPanel) -> Expectation:
    """Return what was expected of every day, from the days before it; O(T) steps on all metrics at once."""
    n, days = panel.total.shape
    first = np.where(panel.exposure.any(axis=1), ((panel.total != 0) & (panel.exposure > 0)).argmax(axis=1), days)
    unit = estimate_unit(panel, first)
    state = _State(n)
    expected, score, holiday_score, spread = (np.full((n, days), np.nan) for _ in range(4))
    is_missing = np.zeros((n, days), bool)
    for day in range(days):
        total, exposure = panel.total[:, day], panel.exposure[:, day]
        level, factor = state.predict(int(panel.weekday[day]), unit)
        mean = np.maximum(level * factor * exposure[:, None], 0)
        best = state.loss.argmin(axis=1)
        ready = (state.seen >= WARM_UP_DAYS) & (exposure > 0)
        known = (day >= first) & (exposure > 0)
        spread[:, day] = np.sqrt(np.maximum(state.spread[np.arange(n), best], MIN_SPREAD))
        if panel.is_holiday[day]:
            _take_holiday(panel, state, mean[np.arange(n), best], unit, ready, day, expected, holiday_score, is_missing)
            holiday_score[:, day] /= spread[:, day]
            continue
        center = transform(mean, unit[:, None])
        deviation = transform(total[:, None], unit[:, None]) - center
        chosen_mean = mean[np.arange(n), best]
        expected[ready, day] = chosen_mean[ready]
        is_missing[:, day] = ready & panel.is_summed & (total == 0) & (chosen_mean >= MISSING_UNITS * unit)
        ordinary = known & ~is_missing[:, day] & ~panel.is_excluded[:, day]
        judged = ready & ordinary
        score[judged, day] = (deviation[np.arange(n), best] / spread[:, day])[judged]
        clipped = _clip(total, center, deviation, state, unit, judged)
        _learn_errors(state, deviation, judged)
        state.update(ordinary, clipped, exposure, factor, level, int(panel.weekday[day]))
    return Expectation(expected, spread, score, holiday_score, is_missing, unit)


def _clip(total: Floats, center: Floats, deviation: Floats, state: _State, unit: Floats, ready: Flags) -> Floats:
    """Return the totals with deviations of at most three usual ones, (n, k), unless the level has shifted for days."""
    limit = CLIP * np.sqrt(state.spread)
    limited = invert(center + np.clip(deviation, -limit, limit), unit[:, None])
    is_far = ready[:, None] & (np.abs(deviation) > limit)
    direction = np.sign(np.where(is_far, deviation, 0)).astype(np.int64)
    state.run = np.where(np.sign(state.run) * direction > 0, state.run + direction, direction)
    is_shift = np.abs(state.run) >= SHIFT_DAYS
    return np.where(is_far & ~is_shift, limited, total[:, None])


def _learn_errors(state: _State, deviation: Floats, rows: Flags) -> None:
    square = np.minimum(deviation**2, CLIP**2 * state.spread)
    step = np.where(state.seen < 2 * WARM_UP_DAYS, 3 * SPREAD_STEP, SPREAD_STEP)[:, None]
    state.spread[rows] = ((1 - step) * state.spread + step * np.minimum(square, SPREAD_CLIP**2 * state.spread))[rows]
    state.loss[rows] = (LOSS_DISCOUNT * state.loss + square)[rows]


def _take_holiday(
    panel: MetricPanel,
    state: _State,
    mean: Floats,
    unit: Floats,
    ready: Flags,
    day: int,
    expected: Floats,
    score: Floats,
    is_missing: Flags,
) -> None:
    """Evaluate a public holiday by earlier ones; it only changes what is expected of the next one."""
    total = panel.total[:, day]
    forecast = mean * state.get_holiday_factor(unit)
    expected[ready, day] = forecast[ready]
    is_missing[:, day] = ready & panel.is_summed & (total == 0) & (forecast >= MISSING_UNITS * unit)
    rows = ready & ~is_missing[:, day] & ~panel.is_excluded[:, day]
    score[rows, day] = (transform(total, unit) - transform(forecast, unit))[rows]
    state.holiday[rows] += np.column_stack([np.maximum(total, 0), mean])[rows]
