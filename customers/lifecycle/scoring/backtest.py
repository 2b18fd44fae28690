"""Compares earlier predictions of counts, amounts and intervals with the actual values.

For probabilities see `propensity.metrics`.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from config.foundation.array_types import Floats
from config.foundation.statistics import compute_wilson_bounds

REASONS: tuple[str, ...] = ("no_rows", "nothing_expected")
DECILES = 10
NORMAL_QUANTILE = NormalDist().inv_cdf(0.975)  # of the two-sided 95 % interval


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, or None with a reason from REASONS."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Decile:
    """The customers of one decile by expected value, 1 the highest.

    Fields: their number, mean expected and mean observed value.
    """

    decile: int
    customers: int
    expected: float
    observed: float


@dataclass(frozen=True)
class CountBacktest:
    """The accuracy of predicted counts or amounts.

    mae: mean absolute error; bias: mean of expected − observed; ratio: observed / expected, 1 is unbiased; deciles: highest first.
    """

    customers: int
    mae: Estimate
    bias: Estimate
    ratio: Estimate
    deciles: tuple[Decile, ...]


def backtest_counts(*, expected: Floats, observed: Floats) -> CountBacktest:
    """Compare expected with observed counts.

    expected, observed: shape (n,), orders or money, expected 0 or more.
    The ratio's interval: ± 1.96 · √Σ (observed − ratio · expected)² / Σ expected, that of a ratio estimator (Cochran, Sampling
    Techniques, 1977, 6.4), which is valid for any overdispersion of the counts.
    """
    _check_arrays(expected, observed, "expected", "observed")
    n = len(expected)
    if not n:
        missing = Estimate(None, reason="no_rows")
        return CountBacktest(0, missing, missing, missing, ())
    if expected.min() < 0:
        raise ValueError(f"expected must be 0 or more, got {float(expected.min())}")
    total = float(expected.sum())
    ratio = Estimate(None, reason="nothing_expected")
    if total > 0:
        value = float(observed.sum()) / total
        half_width = NORMAL_QUANTILE * sqrt(float(((observed - value * expected) ** 2).sum())) / total
        ratio = Estimate(value, max(0.0, value - half_width), value + half_width)
    return CountBacktest(
        n,
        _estimate_mean(np.abs(expected - observed)),
        _estimate_mean(expected - observed),
        ratio,
        _summarize_deciles(expected, observed),
    )


def backtest_intervals(*, low: Floats, high: Floats, observed: Floats) -> Estimate:
    """Return the share of values within low…high, both ends included, with Wilson's interval.

    Shape (n,) each.
    """
    _check_arrays(low, high, "low", "high")
    _check_arrays(low, observed, "low", "observed")
    if not len(low):
        return Estimate(None, reason="no_rows")
    inside = int(((low <= observed) & (observed <= high)).sum())
    lower, upper = compute_wilson_bounds(inside, len(low))
    return Estimate(inside / len(low), float(lower), float(upper))


def _estimate_mean(values: Floats) -> Estimate:
    """Return the mean with its 95 % interval."""
    mean = float(values.mean())
    half_width = NORMAL_QUANTILE * float(values.std(ddof=1)) / sqrt(len(values)) if len(values) > 1 else 0.0
    return Estimate(mean, mean - half_width, mean + half_width)


def _summarize_deciles(expected: Floats, observed: Floats) -> tuple[Decile, ...]:
    """Return ten groups by rank, as equal in size as possible.

    There are fewer with fewer than ten customers.
    """
    parts = np.array_split(np.argsort(-expected, kind="stable"), DECILES)
    return tuple(
        Decile(index + 1, len(rows), float(expected[rows].mean()), float(observed[rows].mean()))
        for index, rows in enumerate(parts)
        if len(rows)
    )


def _check_arrays(first: Floats, second: Floats, first_name: str, second_name: str) -> None:
    """Raise ValueError unless both arrays have one shape (n,) and are finite."""
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(
            f"{first_name} has shape {first.shape} and {second_name} {second.shape}; pass one entry per customer"
        )
    for label, values in ((first_name, first), (second_name, second)):
        if not np.isfinite(values).all():
            raise ValueError(f"{label} contains a value that is not finite")
