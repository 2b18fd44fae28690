"""Relative lift: how many percent more one group has than the other, with its interval."""

from math import exp, inf, log, nan, sqrt

from config.foundation.statistics import ConfidenceInterval, compute_normal_critical_value

UNKNOWN = ConfidenceInterval(nan, nan, nan)


def compare_relative_shares(
    hits: int,
    trials: int,
    other_hits: int,
    other_trials: int,
    *,
    level: float = 0.95,
    critical_value: float | None = None,
) -> ConfidenceInterval:
    """Return the relative lift of a share over the other, .1 for 10% more, with Katz's log interval.

    exp(log(p₁/p₂) ± z·√(1/h₁ − 1/n₁ + 1/h₂ − 1/n₂)) − 1. Source: Katz, Baptista, Azen and Pike, Biometrics 1978. Without a hit in a
    group, ½ is added to the hits and trials of both for the interval (Walter, Biometrika 1975). NaN if a group is empty, or without a
    hit in both. critical_value: z, instead of that of level, for an interval that may be looked at every day.
    """
    if not trials or not other_trials or not (hits or other_hits):
        return UNKNOWN
    value = (hits / trials) / (other_hits / other_trials) - 1 if other_hits else inf
    extra = 0.0 if hits and other_hits else 0.5
    first, second, n, other_n = hits + extra, other_hits + extra, trials + extra, other_trials + extra
    middle = log((first / n) / (second / other_n))
    z = compute_normal_critical_value(level) if critical_value is None else critical_value
    margin = z * sqrt(1 / first - 1 / n + 1 / second - 1 / other_n)
    return ConfidenceInterval(value, exp(middle - margin) - 1, exp(middle + margin) - 1)


def compare_relative_means(
    value: float,
    standard_error: float,
    control_mean: float,
    control_standard_error: float,
    *,
    level: float = 0.95,
    critical_value: float | None = None,
) -> ConfidenceInterval:
    """Return the relative lift of a mean over that of the control group, with Fieller's interval.

    The treated mean is control_mean + value and independent of the control mean; standard_error is that of value. The bounds are the
    ratios ρ with (m_T − ρ·m_C)² = z²(s_T² + ρ²·s_C²). Source: Fieller, JRSS B 1954. NaN bounds if the control mean is not clearly
    above 0: then no ratio can be excluded. critical_value: z, instead of that of level, for an interval that may be looked at every day.
    """
    if not control_mean > 0:
        return UNKNOWN
    treated = control_mean + value
    treated_variance = max(standard_error**2 - control_standard_error**2, 0.0)
    square = (compute_normal_critical_value(level) if critical_value is None else critical_value) ** 2
    quadratic = control_mean**2 - square * control_standard_error**2
    constant = treated**2 - square * treated_variance
    root = (treated * control_mean) ** 2 - quadratic * constant
    if quadratic <= 0 or root < 0:
        return ConfidenceInterval(value / control_mean, nan, nan)
    middle, margin = treated * control_mean / quadratic, sqrt(root) / quadratic
    return ConfidenceInterval(value / control_mean, middle - margin - 1, middle + margin - 1)
