"""Earlier scores against what then happened."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

type Floats = npt.NDArray[np.float64]
type Flags = npt.NDArray[np.bool_]

REASONS: tuple[str, ...] = ("no_rows", "one_outcome_only", "nothing_expected")
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
class Backtest:
    """brier, reference_brier: mean squared error of the probabilities, and of the observed share given to everyone; auc; ratio:
    observed / expected, 1 is right; tenths: highest first."""

    customers: int
    brier: Figure
    reference_brier: Figure
    auc: Figure
    ratio: Figure
    tenths: tuple[Tenth, ...]


@dataclass(frozen=True)
class CountBacktest:
    """mae: mean absolute error of expected counts or amounts; bias: mean expected − observed; ratio and tenths as `Backtest`."""

    customers: int
    mae: Figure
    bias: Figure
    ratio: Figure
    tenths: tuple[Tenth, ...]


def backtest_probabilities(*, probability: Floats, happened: Flags) -> Backtest:
    """probability: shape (n,), as scored then; happened: (n,), whether it did within the score's horizon.

    AUC by ranks, ties shared (Mann–Whitney), its interval after Hanley & McNeil, Radiology 1982. The ratio's interval is Wilson's of
    the observed share, divided by the expected. Errors: ValueError for different shapes or values outside 0…1.
    """
    _require(probability, happened.astype(np.float64), "probability", "happened")
    n = len(probability)
    if not n:
        none = Figure(None, reason="no_rows")
        return Backtest(0, none, none, none, none, ())
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError(f"probability must be 0…1, got {float(probability.min())}…{float(probability.max())}")
    observed = happened.astype(np.float64)
    share, expected = float(observed.mean()), float(probability.mean())
    low, high = wilson(int(happened.sum()), n)
    ratio = (
        Figure(share / expected, low / expected, high / expected)
        if expected > 0
        else Figure(None, reason="nothing_expected")
    )
    return Backtest(
        n,
        _mean((probability - observed) ** 2),
        Figure(share * (1.0 - share)),
        _auc(probability, happened),
        ratio,
        _tenths(probability, observed),
    )


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
    return Figure(inside / len(low), *wilson(inside, len(low)))


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of hits / trials, trials above 0. Source: Wilson, JASA 1927."""
    z, share = _z(), hits / trials
    middle = share + z * z / (2 * trials)
    reach = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    below = 1 + z * z / trials
    return max(0.0, (middle - reach) / below), min(1.0, (middle + reach) / below)


def _auc(score: Floats, happened: Flags) -> Figure:
    yes = int(happened.sum())
    no = len(happened) - yes
    if not (yes and no):
        return Figure(None, reason="one_outcome_only")
    auc = (float(rankdata(score)[happened].sum()) - yes * (yes + 1) / 2) / (yes * no)
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (auc * (1 - auc) + (yes - 1) * (q1 - auc * auc) + (no - 1) * (q2 - auc * auc)) / (yes * no)
    reach = _z() * sqrt(max(variance, 0.0))
    return Figure(auc, max(0.0, auc - reach), min(1.0, auc + reach))


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
