"""Confidence intervals of proportions, and relative changes."""

from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats


@dataclass(frozen=True)
class ConfidenceInterval:
    """An estimate with the low and high end of its confidence interval."""

    value: float
    low: float
    high: float


def limit_share[Number: (float, Floats)](share: Number, trials: Number, z: float) -> Number:
    """Return the limit of Wilson's score interval of a share, elementwise: the upper one, or with z below 0 the lower one.

    (p + z²/2n + z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n). Source: Wilson, JASA 1927. It stays inside 0…1 except for rounding and holds
    for rare events, which p ± z·√(p(1−p)/n) does not. trials must be above 0.
    """
    square = z * z
    spread = np.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return (share + square / (2 * trials) + z * spread) / (1 + square / trials)


def compute_wilson_bounds(hits: npt.ArrayLike, trials: npt.ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the bounds of Wilson's score interval of the shares hits / trials, elementwise; trials must be above 0."""
    hits, trials = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = hits / trials
    return np.maximum(limit_share(share, trials, -z), 0.0), np.minimum(limit_share(share, trials, z), 1.0)


def compute_wilson_interval(hits: int, trials: int, *, level: float = 0.95) -> ConfidenceInterval:
    """Return one share with its Wilson interval; NaN without trials. Raises ValueError unless 0 ≤ hits ≤ trials."""
    if not 0 <= hits <= trials:
        raise ValueError(f"hits must be 0…{trials}, got {hits}")
    if not trials:
        return ConfidenceInterval(float("nan"), float("nan"), float("nan"))
    low, high = compute_wilson_bounds(hits, trials, level=level)
    return ConfidenceInterval(hits / trials, float(low), float(high))


def compute_change(now: Decimal | float | None, before: Decimal | float | None) -> float | None:
    """Return the relative change, .1 for 10 % more; None without a base, as after a period with more returns than sales."""
    return float(now) / float(before) - 1 if now is not None and before and before > 0 else None
