"""Confidence intervals of means over users."""

import numpy as np
import numpy.typing as npt

from config.foundation.statistics import ConfidenceInterval


def estimate_intervals(
    columns: npt.NDArray[np.float64], *, seed: int, samples: int = 1000, level: float = 0.95
) -> list[ConfidenceInterval]:
    """Return the percentile bootstrap interval of the mean of each column of a (users, m) matrix; rows with NaN are left out.

    All columns use the same resamples, so the interval of a column of differences is that of a paired comparison. No users: NaN;
    one user: low = value = high. Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    results: list[ConfidenceInterval | None] = [None] * columns.shape[1]
    missing = np.isnan(columns)
    for pattern in np.unique(missing.T, axis=0):
        chosen = np.flatnonzero((pattern == missing.T).all(axis=1))
        values = columns[np.ix_(~pattern, chosen)]
        for column, interval in zip(chosen, _intervals(values, seed, samples, level), strict=True):
            results[column] = interval
    return [interval for interval in results if interval is not None]


def _intervals(values: npt.NDArray[np.float64], seed: int, samples: int, level: float) -> list[ConfidenceInterval]:
    people = len(values)
    if not people:
        return [ConfidenceInterval(float("nan"), float("nan"), float("nan"))] * values.shape[1]
    draws = np.random.default_rng(seed)
    means = np.concatenate(
        [
            draws.multinomial(people, np.full(people, 1.0 / people), size=size) @ values / people
            for size in _chunks(samples, people)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [ConfidenceInterval(*map(float, triple)) for triple in zip(values.mean(axis=0), low, high, strict=True)]


def _chunks(samples: int, people: int) -> list[int]:
    """Return sizes that sum to `samples` and keep a matrix of counts below 64 MB."""
    largest = max(1, 8_000_000 // people)
    return [min(largest, samples - start) for start in range(0, samples, largest)]
