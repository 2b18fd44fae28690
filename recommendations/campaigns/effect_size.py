"""The minimum detectable effect of a test with a holdout group."""

from math import sqrt
from statistics import NormalDist

ALPHA = 0.05
POWER = 0.8


def compute_minimum_detectable_effect(
    *, rate: float, treated: int, held_out: int, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """Return the smallest difference of two shares that a test detects.

    The test is two-sided, with the significance level ``alpha``, and detects it with probability ``power``.

    MDE = (z₁₋α/₂ + z₁₋β)·√(p(1−p)(1/n_T + 1/n_C)), Bloom (1995), "Minimum detectable effects". None if it is
    undefined: an empty group, or a rate of 0 or 1, whose estimated variance is 0.

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
    normal = NormalDist()
    z = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)
    return z * sqrt(rate * (1 - rate) * (1 / treated + 1 / held_out))
