"""The measured effect of a treatment on a group of randomized customers, with an interval that also holds with few outcomes."""

from math import sqrt

import numpy as np
from scipy.special import stdtrit

from config.foundation.array_types import Floats
from config.foundation.statistics import ConfidenceInterval, compute_newcombe_bounds
from recommendations.measurement.statistics.off_policy import compute_skewed_mean_interval
from recommendations.measurement.statistics.uplift.cross_fitting import TrainingRows, compute_doubly_robust_effects

FEW_OUTCOMES = 10  # customers with and without the outcome on a side, below which its share is not nearly normal
UNKNOWN = ConfidenceInterval(0.0, -1.0, 1.0)


def measure_group_effect(
    rows: TrainingRows, *, treated: Floats, control: Floats, level: float = 0.95
) -> ConfidenceInterval:
    """Return the mean of the doubly robust effects on an outcome of 0 or 1, with the widest of three intervals.

    1. Hall's, of the effects themselves. Their variance comes almost only from the small group: with one outcome there, or none, it is
       far too small, so that too few outcomes by chance would look like a certain effect.
    2. Student's, as if the treatment had no effect: residuals r of both groups show the same variance, Σ r²/(e(1 − e))/n² + var(μ₁ − μ₀)/n,
       with the degrees of freedom of the smaller group.
    3. Newcombe's, of the shares weighted by 1/e and 1/(1 − e), with fewer than 10 outcomes in a group.

    treated, control: (n,), expected outcomes by models that did not see the rows. All of (−1, 1) without two customers in each group.
    """
    n, e = len(rows), rows.propensity
    smaller = min(int(rows.treated.sum()), int((~rows.treated).sum()))
    if smaller < 2:
        return UNKNOWN
    interval = compute_skewed_mean_interval(
        compute_doubly_robust_effects(rows, treated=treated, control=control), level=level
    )
    residual = rows.outcome - np.where(rows.treated, treated, control)
    error = sqrt(float((residual**2 / (e * (1 - e))).sum()) / n**2 + float((treated - control).var()) / n)
    spread = float(stdtrit(smaller - 1, (1 + level) / 2)) * error
    low, high = min(interval.low, interval.value - spread), max(interval.high, interval.value + spread)
    if min(count_rarer(rows.outcome[group]) for group in (rows.treated, ~rows.treated)) < FEW_OUTCOMES:
        below, above = compute_share_spreads(rows, level=level)
        low, high = min(low, interval.value - below), max(high, interval.value + above)
    return ConfidenceInterval(interval.value, max(low, -1.0), min(high, 1.0))


def count_rarer(outcome: Floats) -> int:
    """Return how many customers have the rarer of both outcomes."""
    positive = int((outcome > 0).sum())
    return min(positive, len(outcome) - positive)


def compute_share_spreads(rows: TrainingRows, *, level: float) -> tuple[float, float]:
    """Return how far Newcombe's interval reaches below and above the difference of the weighted shares.

    Each group counts as (Σw)²/Σw² customers with the weights w (Kish 1965).
    """
    weight = 1 / np.where(rows.treated, rows.propensity, 1 - rows.propensity)
    counts: list[float] = []
    for group in (rows.treated, ~rows.treated):
        w = weight[group]
        trials = float(w.sum()) ** 2 / float((w**2).sum())
        counts += [min(float(w @ rows.outcome[group] / w.sum()), 1.0) * trials, trials]
    low, high = compute_newcombe_bounds(*counts, level=level)
    difference = counts[0] / counts[1] - counts[2] / counts[3]
    return difference - float(low), float(high) - difference
