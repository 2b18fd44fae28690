"""Off-policy evaluation: what a policy would have earned, estimated from the log of another one.

A log has n decisions of a policy that chose action a with probability p and saw reward r. The evaluated policy would have chosen a with
probability π; w = π / p is the importance weight. Sources: Horvitz and Thompson (1952); Swaminathan and Joachims (2015), "The
Self-Normalized Estimator for Counterfactual Learning"; Dudík, Langford and Li (2011), "Doubly Robust Policy Evaluation and Learning";
Su et al. (2020), "Doubly Robust Off-Policy Evaluation with Shrinkage".
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from config.foundation.array_types import Floats, Ints
from config.foundation.statistics import ConfidenceInterval

CLIPPING_QUANTILES = (0.9, 0.95, 0.99, 0.995, 0.999)
MIN_ROWS = 2


@dataclass(frozen=True)
class OffPolicyEstimates:
    """The value of a policy per decision by three estimators.

    clipping: the largest weight that `dr` uses, infinite without clipping. effective_rows: (Σw)² / Σw², how many decisions of the
    evaluated policy the log is worth.
    """

    ips: ConfidenceInterval
    snips: ConfidenceInterval
    dr: ConfidenceInterval
    clipping: float
    effective_rows: float


def compute_weights(*, target: Floats, propensity: Floats) -> Floats:
    """Return w = π / p, (n,). Raises ValueError for a propensity outside 0 … 1 or shapes that differ."""
    if target.shape != propensity.shape:
        raise ValueError(f"target and propensity must have the same shape, got {target.shape} and {propensity.shape}")
    if len(propensity) and not (propensity.min() > 0 and propensity.max() <= 1):
        raise ValueError(f"propensities must be in (0, 1], got {propensity.min()} … {propensity.max()}")
    return target / propensity


def estimate_ips(rewards: Floats, weights: Floats, *, level: float = 0.95) -> ConfidenceInterval:
    """Return the inverse propensity score estimate, mean of w·r; unbiased."""
    return compute_skewed_mean_interval(weights * rewards, level=level)


def estimate_snips(rewards: Floats, weights: Floats, *, level: float = 0.95) -> ConfidenceInterval:
    """Return the self-normalized estimate, Σ w·r / Σ w; biased by O(1/n), inside the range of the rewards.

    Its interval is that of the ratio's linearization, v + w·(r − v) / mean of w. NaN if all weights are 0.
    """
    total = weights.sum()
    if not total > 0:
        return ConfidenceInterval(float("nan"), float("nan"), float("nan"))
    value = float((weights * rewards).sum() / total)
    return compute_skewed_mean_interval(value + weights * (rewards - value) / weights.mean(), level=level)


def estimate_dr(
    rewards: Floats, weights: Floats, *, predicted: Floats, expected: Floats, level: float = 0.95
) -> ConfidenceInterval:
    """Return the doubly robust estimate, mean of Σ_a π(a)·q(a) + w·(r − q).

    Unbiased if the propensities or the reward model are right.

    Args:
        predicted: q of the logged action, (n,), by a model that did not see the row.
        expected: Σ_a π(a)·q(a) of the row, (n,), by the same model.
    """
    return compute_skewed_mean_interval(expected + weights * (rewards - predicted), level=level)


def estimate_clipped_dr(
    rewards: Floats, weights: Floats, *, predicted: Floats, expected: Floats, clipping: float, level: float = 0.95
) -> ConfidenceInterval:
    """Return the doubly robust estimate with weights of at most ``clipping``, with the interval of the unbiased estimate.

    Clipping makes the value more accurate and adds a bias, so the interval stays that of all weights, stretched to hold the value.
    """
    clipped = estimate_dr(rewards, np.minimum(weights, clipping), predicted=predicted, expected=expected, level=level)
    unbiased = estimate_dr(rewards, weights, predicted=predicted, expected=expected, level=level)
    return ConfidenceInterval(clipped.value, min(unbiased.low, clipped.value), max(unbiased.high, clipped.value))


def choose_clipping(rewards: Floats, weights: Floats, *, predicted: Floats, expected: Floats) -> float:
    """Return the clipping of the weights with the smallest estimated mean squared error; infinite for none.

    Bias² + variance / n of the doubly robust estimate, with the bias and its standard error measured on the log: no policy's value is
    needed. Source: Su et al. (2020), section 4.
    """
    candidates = [*np.unique(np.quantile(weights, CLIPPING_QUANTILES)), np.inf]
    residual = rewards - predicted

    def estimate_error(clipping: float) -> float:
        kept = np.minimum(weights, clipping)
        cut = (weights - kept) * residual
        variance = (expected + kept * residual).var() / len(rewards)
        return float(cut.mean() ** 2 + cut.var() / len(rewards) + variance)

    return float(min(reversed(candidates), key=estimate_error))


def evaluate_policy(
    rewards: Floats, weights: Floats, *, predicted: Floats, expected: Floats, level: float = 0.95
) -> OffPolicyEstimates:
    """Return the estimates by all three estimators. Raises ValueError with fewer than two rows."""
    if len(rewards) < MIN_ROWS:
        raise ValueError(f"The log has {len(rewards)} rows; it needs at least {MIN_ROWS}.")
    clipping = choose_clipping(rewards, weights, predicted=predicted, expected=expected)
    squares = float((weights**2).sum())
    return OffPolicyEstimates(
        ips=estimate_ips(rewards, weights, level=level),
        snips=estimate_snips(rewards, weights, level=level),
        dr=estimate_clipped_dr(
            rewards, weights, predicted=predicted, expected=expected, clipping=clipping, level=level
        ),
        clipping=clipping,
        effective_rows=float(weights.sum()) ** 2 / squares if squares else 0.0,
    )


def estimate_action_shares(*, group: Ints, action: Ints, propensity: Floats, n_groups: int, n_actions: int) -> Floats:
    """Return the probability that a logged policy chooses each action, (n_groups, n_actions), from its own log.

    A policy that changes during the log has the average probability N_a / N. Because Σ 1/p over the rows of an action has the
    expectation N, the harmonic mean of its logged propensities estimates the same with less noise. Rows sum to 1; a group without
    rows has the shares of all groups.
    """
    cell = group * n_actions + action
    counts = np.bincount(cell, minlength=n_groups * n_actions).astype(np.float64)
    inverse = np.bincount(cell, 1 / propensity, minlength=n_groups * n_actions)
    shares = np.divide(counts, inverse, out=np.zeros_like(counts), where=inverse > 0).reshape(n_groups, n_actions)
    shares[shares.sum(axis=1) == 0] = shares.mean(axis=0)
    return shares / shares.sum(axis=1, keepdims=True)


def compute_skewed_mean_interval(values: Floats, *, level: float = 0.95) -> ConfidenceInterval:
    """Return the mean with an interval that allows for skewed values, such as rare rewards with large weights.

    With t = √n·(mean − μ)/s and a = skewness/√n, Hall's transformation g(t) = t + a·t²/3 + a²·t³/27 + a/6 is nearly normal; the ends are
    where g(t) = ±z. Without skewness they are mean ± z·s/√n. Source: Hall, "On the Removal of Skewness by Transformation", JRSS B 1992.
    """
    n = len(values)
    mean = float(values.mean())
    deviation = float(values.std(ddof=1)) if n > 1 else float("nan")
    if not deviation > 0:
        return ConfidenceInterval(mean, mean if n > 1 else float("nan"), mean if n > 1 else float("nan"))
    skewness = float(((values - mean) ** 3).mean()) / deviation**3
    z = NormalDist().inv_cdf((1 + level) / 2)
    error = deviation / sqrt(n)
    low, high = (mean - error * invert_skewness(end, skewness / sqrt(n)) for end in (z, -z))
    return ConfidenceInterval(mean, low, high)


def invert_skewness(z: float, skewness: float) -> float:
    """Return the t with g(t) = z: 3/a · ((1 + a·(z − a/6))^⅓ − 1)."""
    if abs(skewness) < 1e-9:
        return z
    return float(3 / skewness * (np.cbrt(1 + skewness * (z - skewness / 6)) - 1))
