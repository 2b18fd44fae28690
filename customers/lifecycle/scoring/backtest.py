"""Earlier counts, amounts and intervals against what then happened; `propensity.quality.judge` is that of probabilities."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from config.foundation.array_types import Floats
from config.foundation.statistics import wilson_bounds

REASONS: tuple[str, ...] = ("no_rows", "nothing_expected")
TENTHS = 10


@dataclass(frozen=True)
class Figure:
    """A number with its 95 % interval, or None with a reason from REASONS."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Tenth:
    """The customers of one tenth by expected value, 1 the highest: how many, mean expected, mean observed."""

    tenth: int
    customers: int
    expected: float
    observed: float


@dataclass(frozen=True)
class CountBacktest:
    """mae: mean absolute error of expected counts or amounts; bias: mean expected − observed; ratio: observed /
    expected, 1 is right; tenths: highest first."""

    customers: int
    mae: Figure
    bias: Figure
    ratio: Figure
    tenths: tuple[Tenth, ...]


def backtest_counts(*, expected: Floats, observed: Floats) -> CountBacktest:
    """expected, observed: shape (n,), orders or money within the horizon, 0 or more expected.

    The ratio's interval: ± 1.96 · √Σ (observed − ratio · expected)² / Σ expected, that of a ratio estimator (Cochran, Sampling
    Techniques, 1977, 6.4), which holds however much more than Poisson the counts scatter.
    """
    _require(expected, observed, "expected", "observed")
    n = len(expected)
    if not n:
        none = Figure(None, reason="no_rows")
        return CountBacktest(0, none, none, none, ())
    if expected.min() < 0:
        raise ValueError(f"expected must be 0 or more, got {float(expected.min())}")
    total = float(expected.sum())
    ratio = Figure(None, reason="nothing_expected")
    if total > 0:
        value = float(observed.sum()) / total
        reach = _z() * sqrt(float(((observed - value * expected) ** 2).sum())) / total
        ratio = Figure(value, max(0.0, value - reach), value + reach)
    return CountBacktest(
        n, _mean(np.abs(expected - observed)), _mean(expected - observed), ratio, _tenths(expected, observed)
    )


def backtest_intervals(*, low: Floats, high: Floats, observed: Floats) -> Figure:
    """The share of values within low…high, both ends in, with Wilson's interval; shape (n,) each."""
    _require(low, high, "low", "high")
    _require(low, observed, "low", "observed")
    if not len(low):
        return Figure(None, reason="no_rows")
    inside = int(((low <= observed) & (observed <= high)).sum())
    least, most = wilson_bounds(inside, len(low))
    return Figure(inside / len(low), float(least), float(most))


def _mean(values: Floats) -> Figure:
    mean = float(values.mean())
    reach = _z() * float(values.std(ddof=1)) / sqrt(len(values)) if len(values) > 1 else 0.0
    return Figure(mean, mean - reach, mean + reach)


def _tenths(expected: Floats, observed: Floats) -> tuple[Tenth, ...]:
    """Ten groups by rank, as even as they can be; fewer with fewer than ten customers."""
    parts = np.array_split(np.argsort(-expected, kind="stable"), TENTHS)
    return tuple(
        Tenth(place + 1, len(rows), float(expected[rows].mean()), float(observed[rows].mean()))
        for place, rows in enumerate(parts)
        if len(rows)
    )


def _require(one: Floats, other: Floats, name: str, other_name: str) -> None:
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"{name} has shape {one.shape} and {other_name} {other.shape}; give one entry a customer")
    for label, values in ((name, one), (other_name, other)):
        if not np.isfinite(values).all():
            raise ValueError(f"{label} holds a value that is not finite")


def _z() -> float:
    return NormalDist().inv_cdf(0.975)
