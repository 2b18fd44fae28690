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
    # Columns that miss the same rows share their resamples and are computed together.
    for pattern in np.unique(missing.T, axis=0):
        same_pattern = np.flatnonzero((pattern == missing.T).all(axis=1))
        values = columns[np.ix_(~pattern, same_pattern)]
        for column, interval in zip(same_pattern, _resample_means(values, seed, samples, level), strict=True):
            results[column] = interval
    return [interval for interval in results if interval is not None]


def _resample_means(values: npt.NDArray[np.float64], seed: int, samples: int, level: float) -> list[ConfidenceInterval]:
    n_users = len(values)
    if not n_users:
        return [ConfidenceInterval(float("nan"), float("nan"), float("nan"))] * values.shape[1]
    rng = np.random.default_rng(seed)
    # A resample is a vector of counts, so one matrix product gives the means of many resamples.
    means = np.concatenate(
        [
            rng.multinomial(n_users, np.full(n_users, 1.0 / n_users), size=size) @ values / n_users
            for size in _split_samples(samples, n_users)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [ConfidenceInterval(*map(float, triple)) for triple in zip(values.mean(axis=0), low, high, strict=True)]


def _split_samples(samples: int, n_users: int) -> list[int]:
    """Return sizes that sum to `samples` and keep a matrix of counts below 64 MB."""
    largest = max(1, 8_000_000 // n_users)
    return [min(largest, samples - start) for start in range(0, samples, largest)]
