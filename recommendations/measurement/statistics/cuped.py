"""Differences of means that are adjusted for what was known of the customers before: CUPED."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt

import numpy as np
from scipy.special import stdtrit

from config.foundation.array_types import Floats
from config.foundation.statistics import ConfidenceInterval
from recommendations.measurement.statistics.moments import GroupMoments

ROUNDING = 1e-9
MIN_VARIANCE = 1e-12  # relative to the largest; a covariate with less is the same for everyone


@dataclass(frozen=True)
class AdjustedComparison:
    """A difference of means after adjustment.

    Attributes:
        value, low, high: the difference and its interval; standard_error: its own, the larger of Welch's and Student's.
        variance_ratio: the variance of the adjusted difference, relative to the unadjusted one; .6 means that the interval is
            √.6 as wide, as if there were 1/.6 as many customers. 1 without a covariate.
        control_mean, control_standard_error: the adjusted mean of the control group.
    """

    value: float
    low: float
    high: float
    standard_error: float
    variance_ratio: float
    control_mean: float
    control_standard_error: float

    @property
    def interval(self) -> ConfidenceInterval:
        return ConfidenceInterval(self.value, self.low, self.high)


UNKNOWN = AdjustedComparison(nan, nan, nan, nan, nan, nan, nan)


def compare_adjusted_means(
    treated: GroupMoments, control: GroupMoments, *, outcome: int, covariates: Sequence[int], level: float = 0.95
) -> AdjustedComparison:
    """Return the difference of the means of an outcome, adjusted for covariates.

    Δ = (ȳ_T − ȳ_C) − θᵀ(x̄_T − x̄_C), with θ = Σₓₓ⁻¹Σₓᵧ of the covariances within the groups, pooled. Its variance is that of
    y − θᵀx in each group; with one covariate of correlation ρ it is (1 − ρ²) times the unadjusted one. Source: Deng, Xu, Kohavi and
    Walker, WSDM 2013. A covariate must be known before the assignment: otherwise the adjustment removes a part of the effect.

    The interval is the wider one of Welch's and Student's, with one degree of freedom less per covariate. Welch's takes the variance of
    each group from that group alone. That of a small group with two orders is far too small, and without an order it is 0, so that too
    few orders by chance would look like a certain effect. Student's takes it from both groups, as if there were no effect.

    Args:
        outcome: the number of the outcome among the values of the groups.
        covariates: the numbers of the covariates; one that is the same for everyone is left out.

    Returns:
        NaN if a group has fewer than two customers more than covariates.
    """
    if min(treated.n, control.n) < 2:
        return UNKNOWN
    first, second = treated.compute_covariance(), control.compute_covariance()
    pooled = ((treated.n - 1) * first + (control.n - 1) * second) / (treated.n + control.n - 2)
    used = choose_covariates(pooled, covariates)
    if min(treated.n, control.n) < len(used) + 2:
        used = []
    theta = np.linalg.lstsq(pooled[np.ix_(used, used)], pooled[used, outcome], rcond=1e-10)[0]
    own = [
        compute_variance_of_mean(group.n, matrix, outcome, used, theta)
        for group, matrix in ((treated, first), (control, second))
    ]
    # the pooled matrix has one degree of freedom less than the covariance matrix of all customers together
    n = treated.n + control.n - 1
    common = compute_variance_of_mean(n, pooled, outcome, used, theta) * n
    shared = [common / group.n for group in (treated, control)]
    # of groups of the same size, both are equal except for rounding
    is_shared = sum(shared) > sum(own) * (1 + ROUNDING)
    parts, spreads = (shared, (pooled, pooled)) if is_shared else (own, (first, second))
    difference = (treated.sums / treated.n) - (control.sums / control.n)
    value = float(difference[outcome] - theta @ difference[used])
    variance = sum(parts)
    plain = float(spreads[0][outcome, outcome] / treated.n + spreads[1][outcome, outcome] / control.n)
    margin = max(
        compute_welch_margin(own, [group.n - 1 - len(used) for group in (treated, control)], level),
        float(stdtrit(n - 1 - len(used), (1 + level) / 2)) * sqrt(sum(shared)),
    )
    overall = (treated.sums + control.sums) / (treated.n + control.n)
    control_means = control.sums / control.n
    control_mean = float(control_means[outcome] - theta @ (control_means - overall)[used])
    ratio = variance / plain if plain else 1.0
    return AdjustedComparison(
        value, value - margin, value + margin, sqrt(variance), ratio, control_mean, sqrt(parts[1])
    )


def choose_covariates(covariance: Floats, covariates: Sequence[int]) -> list[int]:
    """Return those that differ between customers."""
    variances = [float(covariance[number, number]) for number in covariates]
    largest = max(variances, default=0.0)
    return [
        number
        for number, variance in zip(covariates, variances, strict=True)
        if variance > largest * MIN_VARIANCE and not isnan(variance)
    ]


def compute_variance_of_mean(n: int, covariance: Floats, outcome: int, covariates: list[int], theta: Floats) -> float:
    """Return the variance of the mean of y − θᵀx of n customers, from their covariance matrix."""
    residual = (
        covariance[outcome, outcome]
        - 2 * theta @ covariance[covariates, outcome]
        + theta @ covariance[np.ix_(covariates, covariates)] @ theta
    )
    freedom = n - 1 - len(covariates)
    return max(float(residual), 0.0) * (n - 1) / freedom / n


def compute_welch_margin(parts: Sequence[float], freedoms: Sequence[int], level: float) -> float:
    """Return the half-width of Welch's interval; parts are the variances of the two means."""
    variance = sum(parts)
    if not variance:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in zip(parts, freedoms, strict=True))
    return float(stdtrit(freedom, (1 + level) / 2)) * sqrt(variance)
