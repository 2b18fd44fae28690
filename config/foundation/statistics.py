"""Confidence intervals of shares, means and their differences, and relative changes."""

from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from config.foundation.array_types import Floats


@dataclass(frozen=True)
class ConfidenceInterval:
    """An estimate with the low and high end of its confidence interval."""

    value: float
    low: float
    high: float


def limit_share[Number: (float, Floats)](share: Number, trials: Number, z: float) -> Number:
    """Return the limit of Wilson's score interval of a share, elementwise: the upper one, or with z below 0 the lower one.

    (p + z²/2n + z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n). Source: Wilson, JASA 1927. It stays inside 0…1 except for rounding and is
    valid for rare events, unlike p ± z·√(p(1−p)/n). trials must be above 0.
    """
    square = z * z
    spread = np.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return (share + square / (2 * trials) + z * spread) / (1 + square / trials)


def compute_normal_critical_value(level: float) -> float:
    """Return the half-width of a normal interval for a single look, in standard errors: 1.96 for 95%."""
    return NormalDist().inv_cdf((1 + level) / 2)


def compute_wilson_bounds(
    hits: npt.ArrayLike, trials: npt.ArrayLike, *, level: float = 0.95, critical_value: float | None = None
) -> tuple[Floats, Floats]:
    """Return the bounds of Wilson's score interval of the shares hits / trials, elementwise; trials must be above 0.

    critical_value: z, instead of that of level, for an interval that may be looked at every day.
    """
    hits, trials = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    z = compute_normal_critical_value(level) if critical_value is None else critical_value
    share = hits / trials
    # exact at 0 and 1, where rounding would put the bound beyond the share itself
    low = np.where(hits == 0, 0.0, limit_share(share, trials, -z))
    high = np.where(hits == trials, 1.0, limit_share(share, trials, z))
    return low, high


def compute_wilson_interval(
    hits: int, trials: int, *, level: float = 0.95, critical_value: float | None = None
) -> ConfidenceInterval:
    """Return one share with its Wilson interval; NaN without trials. Raises ValueError unless 0 ≤ hits ≤ trials."""
    if not 0 <= hits <= trials:
        raise ValueError(f"hits must be 0…{trials}, got {hits}")
    if not trials:
        return ConfidenceInterval(float("nan"), float("nan"), float("nan"))
    low, high = compute_wilson_bounds(hits, trials, level=level, critical_value=critical_value)
    return ConfidenceInterval(hits / trials, float(low), float(high))


def compute_newcombe_bounds(
    hits: npt.ArrayLike,
    trials: npt.ArrayLike,
    other_hits: npt.ArrayLike,
    other_trials: npt.ArrayLike,
    *,
    level: float = 0.95,
    critical_value: float | None = None,
) -> tuple[Floats, Floats]:
    """Return the bounds of Newcombe's interval of the difference of two shares, hits / trials − other_hits / other_trials, elementwise.

    Δ − √((p₁ − l₁)² + (u₂ − p₂)²) … Δ + √((u₁ − p₁)² + (p₂ − l₂)²), with Wilson's bounds l and u of both shares. Source: Newcombe,
    Statistics in Medicine 1998, method 10. It is valid for small groups and rare events. Trials must be above 0.
    critical_value: z, instead of that of level, for an interval that may be looked at every day.
    """
    share = np.asarray(hits, np.float64) / np.asarray(trials, np.float64)
    other = np.asarray(other_hits, np.float64) / np.asarray(other_trials, np.float64)
    low, high = compute_wilson_bounds(hits, trials, level=level, critical_value=critical_value)
    other_low, other_high = compute_wilson_bounds(other_hits, other_trials, level=level, critical_value=critical_value)
    difference = share - other
    return (
        difference - np.sqrt((share - low) ** 2 + (other_high - other) ** 2),
        difference + np.sqrt((high - share) ** 2 + (other - other_low) ** 2),
    )


def compare_shares(
    hits: float,
    trials: float,
    other_hits: float,
    other_trials: float,
    *,
    level: float = 0.95,
    critical_value: float | None = None,
) -> ConfidenceInterval:
    """Return the difference of two shares with Newcombe's interval; NaN if a group is empty."""
    if not trials or not other_trials:
        return ConfidenceInterval(float("nan"), float("nan"), float("nan"))
    low, high = compute_newcombe_bounds(
        hits, trials, other_hits, other_trials, level=level, critical_value=critical_value
    )
    return ConfidenceInterval(hits / trials - other_hits / other_trials, float(low), float(high))


@dataclass(frozen=True)
class Sample:
    """The size, sum and sum of squares of a group's values."""

    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else float("nan")

    @property
    def variance(self) -> float:
        """The variance, with n − 1; NaN with fewer than two values."""
        return max(self.squares - self.total**2 / self.n, 0.0) / (self.n - 1) if self.n > 1 else float("nan")


def compare_means(sample: Sample, other: Sample, *, level: float = 0.95) -> ConfidenceInterval:
    """Return the difference of two means with Welch's t interval; NaN if a group has fewer than two values.

    s₁²/n₁ and s₂²/n₂ are the variances of the means; degrees of freedom by Welch and Satterthwaite (Biometrika 1947).
    """
    difference = sample.mean - other.mean
    if sample.n < 2 or other.n < 2:
        return ConfidenceInterval(difference, float("nan"), float("nan"))
    first, second = sample.variance / sample.n, other.variance / other.n
    spread = first + second
    if spread == 0:
        return ConfidenceInterval(difference, difference, difference)
    freedom = spread**2 / (first**2 / (sample.n - 1) + second**2 / (other.n - 1))
    margin = float(stdtrit(freedom, (1 + level) / 2)) * spread**0.5
    return ConfidenceInterval(difference, difference - margin, difference + margin)


def compute_change(now: Decimal | float | None, before: Decimal | float | None) -> float | None:
    """Return the relative change, .1 for 10% more; None without a base, as after a period with more returns than sales."""
    return float(now) / float(before) - 1 if now is not None and before and before > 0 else None
