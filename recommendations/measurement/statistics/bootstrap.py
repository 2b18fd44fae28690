"""A bootstrap interval of the difference of two means, for skewed values such as revenue."""

from math import nan

import numpy as np

from config.foundation.array_types import Floats
from config.foundation.statistics import ConfidenceInterval

MAX_CELLS = 20_000_000  # weights in all
BLOCK_CELLS = 2_000_000  # weights in memory at once
MIN_DRAWS = 200
MIN_BUYERS = 5  # values other than 0 in each group


def bootstrap_mean_difference(
    values: Floats, n: int, other_values: Floats, other_n: int, *, seed: int, draws: int = 2000, level: float = 0.95
) -> ConfidenceInterval:
    """Return the difference of two means with the studentized bootstrap interval.

    Δ − t*₁₋α/₂·s … Δ − t*α/₂·s, with t* = (Δ* − Δ)/s* of the draws. Source: Efron and Tibshirani (1993), section 12.5. It follows
    the skewness, which Welch's interval does not. Each draw weights every customer by a Poisson(1) number instead of drawing n of n
    (Hanley and MacGibbon 2006): the customers with 0 then need one number in all.

    Args:
        values, other_values: those that are not 0. n, other_n: all customers of each group.
        draws: fewer, but at least MIN_DRAWS, if the groups are so large that MAX_CELLS weights would not be enough.

    Returns:
        NaN bounds if a group has fewer than MIN_BUYERS values.
    """
    if not n or not other_n:
        return ConfidenceInterval(nan, nan, nan)
    difference = float(values.sum() / n - other_values.sum() / other_n)
    if min(len(values), len(other_values)) < MIN_BUYERS:
        return ConfidenceInterval(difference, nan, nan)
    cells = len(values) + len(other_values)
    draws = max(MIN_DRAWS, min(draws, MAX_CELLS // cells))
    rng = np.random.default_rng(seed)
    mean, variance = draw_means(values, n, draws, rng)
    other_mean, other_variance = draw_means(other_values, other_n, draws, rng)
    spread = np.sqrt(variance + other_variance)
    statistics = np.divide(mean - other_mean - difference, spread, out=np.zeros(draws), where=spread > 0)
    error = np.sqrt(compute_variance_of_mean(values, n) + compute_variance_of_mean(other_values, other_n))
    low, high = np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2])
    return ConfidenceInterval(difference, float(difference - high * error), float(difference - low * error))


def compute_variance_of_mean(values: Floats, n: int) -> float:
    mean = values.sum() / n
    return max(float(values @ values) / n - float(mean) ** 2, 0.0) / max(n - 1, 1)


def draw_means(values: Floats, n: int, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the mean and the variance of the mean of each draw, both (draws,)."""
    zeros = rng.poisson(n - len(values), draws) if n > len(values) else np.zeros(draws)
    sums, squares, sizes = np.empty(draws), np.empty(draws), np.empty(draws)
    block = max(1, BLOCK_CELLS // max(len(values), 1))
    for first in range(0, draws, block):
        part = slice(first, min(first + block, draws))
        weights = rng.poisson(1.0, (part.stop - part.start, len(values))).astype(np.float64)
        sums[part], squares[part], sizes[part] = weights @ values, weights @ values**2, weights.sum(axis=1)
    sizes = np.maximum(sizes + zeros, 2)
    means = sums / sizes
    return means, np.maximum(squares / sizes - means**2, 0.0) / (sizes - 1)
