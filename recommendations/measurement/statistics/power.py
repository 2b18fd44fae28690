"""The minimum detectable effect of a test with a holdout group, and the power of a test."""

from math import ceil, floor, sqrt
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, xlog1py, xlogy

from config.foundation.array_types import Floats
from config.foundation.statistics import compute_newcombe_bounds

ALPHA = 0.05
POWER = 0.8
MAX_CELLS = 400_000  # of the table of outcomes; larger groups are computed by the normal approximation
SPREAD = 7  # standard deviations; outcomes beyond them are left out of the table


def compute_minimum_detectable_effect(
    *, rate: float, treated: int, held_out: int, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """Return the smallest increase of a share that a test detects: the d with which `compute_power` is ``power``.

    None if there is none: an empty group, a rate of 0 or 1 (of which nothing is known), or an increase beyond 100%.

    Args:
        rate: p, the conversion rate without the treatment, 0 … 1.
        treated: n_T, customers.
        held_out: n_C, customers.

    Raises:
        ValueError: rate outside 0 … 1, a negative size, alpha or power outside 0 … 1.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}; it must be between 0 and 1.")
    if treated < 0 or held_out < 0:
        raise ValueError(f"The group sizes are {treated} and {held_out}; they must not be negative.")
    if not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError(f"alpha is {alpha}, power is {power}; both must be between 0 and 1.")
    if treated == 0 or held_out == 0 or rate in (0, 1):
        return None

    def miss(effect: float) -> float:
        return compute_power(rate=rate, effect=effect, treated=treated, held_out=held_out, alpha=alpha) - power

    largest = 1 - rate
    if miss(largest) < 0:
        return None
    return float(brentq(miss, 0.0, largest, xtol=1e-7)) if miss(0.0) < 0 else 0.0


def compute_power(*, rate: float, effect: float, treated: int, held_out: int, alpha: float = ALPHA) -> float:
    """Return the probability that the result shows an effect: that Newcombe's interval of p_T − p_C lies above 0.

    With p_C = rate and p_T = rate + effect. For up to MAX_CELLS outcomes it is the sum of their binomial probabilities. For larger groups
    Φ((d − z₁₋α/₂·√(p̄(1−p̄)(1/n_T + 1/n_C))) / √(p_T(1−p_T)/n_T + p_C(1−p_C)/n_C)), with p̄ the pooled share:
    Fleiss, Levin and Paik (2003), "Statistical Methods for Rates and Proportions", section 4.2. Its variance is that under the effect,
    which differs from p(1−p)(1/n_T + 1/n_C) if the groups have different sizes.
    """
    p_treated = min(rate + effect, 1.0)
    outcomes_treated, outcomes_held_out = find_outcomes(treated, p_treated), find_outcomes(held_out, rate)
    if len(outcomes_treated) * len(outcomes_held_out) > MAX_CELLS:
        return approximate_power(rate, p_treated, treated, held_out, alpha)
    low, _high = compute_newcombe_bounds(
        outcomes_treated[:, None], treated, outcomes_held_out[None, :], held_out, level=1 - alpha
    )
    chances = compute_chances(outcomes_treated, treated, p_treated)[:, None] * compute_chances(
        outcomes_held_out, held_out, rate
    )
    return float(chances[low > 0].sum())


def find_outcomes(trials: int, share: float) -> Floats:
    """Return the numbers of conversions that can be expected, without the tails."""
    mean, margin = trials * share, SPREAD * sqrt(trials * share * (1 - share)) + SPREAD**2
    return np.arange(max(floor(mean - margin), 0), min(ceil(mean + margin), trials) + 1, dtype=np.float64)


def compute_chances(outcomes: Floats, trials: int, share: float) -> Floats:
    """Return the binomial probability of each number of conversions."""
    ways = gammaln(trials + 1) - gammaln(outcomes + 1) - gammaln(trials - outcomes + 1)
    return np.exp(ways + xlogy(outcomes, share) + xlog1py(trials - outcomes, -share))


def approximate_power(p_held_out: float, p_treated: float, treated: int, held_out: int, alpha: float) -> float:
    normal = NormalDist()
    pooled = (treated * p_treated + held_out * p_held_out) / (treated + held_out)
    line = normal.inv_cdf(1 - alpha / 2) * sqrt(pooled * (1 - pooled) * (1 / treated + 1 / held_out))
    spread = sqrt(p_treated * (1 - p_treated) / treated + p_held_out * (1 - p_held_out) / held_out)
    return normal.cdf((p_treated - p_held_out - line) / spread) if spread else float(p_treated - p_held_out > line)


def compute_minimum_detectable_mean_difference(
    *, standard_deviation: float, treated: int, held_out: int, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """Return the smallest difference of means that a test detects: (z₁₋α/₂ + z₁₋β)·σ·√(1/n_T + 1/n_C); None with an empty group."""
    if not treated or not held_out:
        return None
    normal = NormalDist()
    factor = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)
    return factor * standard_deviation * sqrt(1 / treated + 1 / held_out)


def compute_required_customers(
    *, rate: float, effect: float, holdout_share: float, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Return how many customers, both groups together, a test needs to detect an increase of a share by effect.

    ((z₁₋α/₂·√(p̄(1−p̄)/(h(1−h))) + z₁₋β·√(p_T(1−p_T)/(1−h) + p_C(1−p_C)/h)) / d)², with h the holdout share: the inverse of the formula
    for large groups in `compute_power`. None if the rate would leave 0 … 1, or without an effect or a holdout group.
    """
    p_treated = rate + effect
    if not 0 <= rate <= 1 or not 0 <= p_treated <= 1 or not 0 < holdout_share < 1 or effect == 0:
        return None
    normal, share = NormalDist(), 1 - holdout_share
    pooled = share * p_treated + holdout_share * rate
    line = normal.inv_cdf(1 - alpha / 2) * sqrt(pooled * (1 - pooled) / (share * holdout_share))
    spread = sqrt(p_treated * (1 - p_treated) / share + rate * (1 - rate) / holdout_share)
    return ceil(((line + normal.inv_cdf(power) * spread) / effect) ** 2)
