"""Intervals that may be looked at every day: the chance that any of them misses the effect is 1 − level."""

from functools import lru_cache
from math import ceil, exp, isnan, log, sqrt

import numpy as np
from scipy.optimize import brentq

from config.foundation.array_types import Floats
from config.foundation.statistics import ConfidenceInterval

LOOKS = 90  # during the planned duration
MIXTURE = 0.3  # relative to a single look, the interval is narrowest where the fraction is about three times this
PLANNED_SHARE = 0.9  # of the error, spent within the planned duration; the rest is for tests that run longer
HIGHEST_NOMINAL = 0.999  # α′ of a boundary that nearly every look crosses
GRID_STEP = 0.05  # standard deviations of the change from one look to the next


def compute_always_valid_interval(
    *, value: float, standard_error: float, fraction: float, level: float = 0.95
) -> ConfidenceInterval:
    """Return an interval that may be looked at as often as one likes, up to LOOKS times in the planned duration.

    value ± standard_error·√((1 + r)·(log((1 + r)/r) + 2·log(1/α′))), r = MIXTURE/fraction: the boundary of Robbins' normal mixture
    (Annals of Mathematical Statistics 1970), by the clock of the planned information. Within it, α′ is such that the probability of ever
    crossing is PLANNED_SHARE·(1 − level); Robbins' own α′ = α is valid forever, but gives 1% instead of 5% within the duration and wider
    intervals. After it, α′ is the rest of 1 − level. At the planned end, a 95% interval is 1.3 times as wide as that of a single look.

    The differences at two looks must be at least as correlated as those of a Brownian motion, √(fraction₁/fraction₂). If the fraction is
    the elapsed share of the planned duration, they are for customers who were all assigned at the start and whose outcomes add up, and for
    customers who arrive over time with one complete outcome each. For customers who arrive over time and whose outcomes add up after that,
    the correlation of two looks is t₁/t₂, so the fraction must be the square of the elapsed share.

    Args:
        standard_error: that of value now.
        fraction: present information / planned information, above 0.

    Raises:
        ValueError: fraction is not above 0, or level not between 0 and 1.
    """
    if not fraction > 0:
        raise ValueError(f"fraction is {fraction}; it must be above 0.")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must be between 0 and 1.")
    if isnan(value) or isnan(standard_error):
        return ConfidenceInterval(value, float("nan"), float("nan"))
    margin = standard_error * compute_critical_value(fraction, level)
    return ConfidenceInterval(value, value - margin, value + margin)


def compute_critical_value(fraction: float, level: float = 0.95) -> float:
    """Return the half-width of the interval in standard errors."""
    error = 1 - level
    if fraction <= 1:
        nominal = calibrate_nominal_error(round(error * PLANNED_SHARE, 9))
    else:
        nominal = error * (1 - PLANNED_SHARE)
    return float(compute_boundary(np.array([fraction]), nominal)[0])


@lru_cache(maxsize=256)
def compute_always_valid_p_value(z: float, fraction: float) -> float:
    """Return the smallest 1 − level whose always-valid interval leaves out a value z standard errors from the estimate.

    Solves the boundary for α′ = exp(−(z²/(1 + r) − log((1 + r)/r))/2) and returns the error that it belongs to, see `compute_critical_value`.
    """
    if isnan(z):
        return float("nan")
    ratio = MIXTURE / fraction
    nominal = exp(min(-(z * z / (1 + ratio) - log((1 + ratio) / ratio)) / 2, 0.0))
    if fraction > 1:
        return min(nominal / (1 - PLANNED_SHARE), 1.0)
    return 1.0 if nominal >= HIGHEST_NOMINAL else min(compute_crossing_probability(nominal) / PLANNED_SHARE, 1.0)


def compute_boundary(fractions: Floats, nominal: float) -> Floats:
    ratio = MIXTURE / fractions
    return np.sqrt((1 + ratio) * (np.log((1 + ratio) / ratio) + 2 * log(1 / nominal)))


@lru_cache(maxsize=64)
def calibrate_nominal_error(error: float) -> float:
    """Return α′ with which the probability to cross the boundary at any of LOOKS equally spaced looks is error."""
    if compute_crossing_probability(HIGHEST_NOMINAL) <= error:
        return HIGHEST_NOMINAL
    return float(
        brentq(lambda nominal: compute_crossing_probability(nominal) - error, error / 10, HIGHEST_NOMINAL, rtol=1e-4)
    )


def compute_crossing_probability(nominal: float, looks: int = LOOKS) -> float:
    """Return the probability that a difference without an effect crosses the boundary at one of the looks.

    By the recursion of Armitage, McPherson and Rowe (JRSS A 1969): the density of the difference that has not crossed yet, on a grid, is
    convolved with the normal density of the change until the next look.
    """
    numbers = np.arange(1, looks + 1, dtype=np.float64)
    limits = compute_boundary(numbers / looks, nominal) * np.sqrt(numbers)
    half = ceil(limits.max() / GRID_STEP)
    grid = np.arange(-half, half + 1) * GRID_STEP
    reach = np.arange(-ceil(8 / GRID_STEP), ceil(8 / GRID_STEP) + 1) * GRID_STEP
    step = np.exp(-(reach**2) / 2) * GRID_STEP / sqrt(2 * np.pi)
    density = np.exp(-(grid**2) / 2) / sqrt(2 * np.pi)
    for number, limit in enumerate(limits):
        if number:
            density = np.convolve(density, step, mode="same")
        # the part of the cell at the limit that is inside
        density = density * np.clip((limit - np.abs(grid)) / GRID_STEP + 0.5, 0, 1)
    return float(1 - density.sum() * GRID_STEP)
