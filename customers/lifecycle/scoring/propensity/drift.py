"""Measures how far customers or scores have drifted since a model was trained."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix

BINS = 10
# Siddiqi, Credit Risk Scorecards, Wiley 2006: below 0.1 no relevant change, up to 0.25 a slight one, beyond a large one.
SLIGHT_DRIFT, LARGE_DRIFT = 0.1, 0.25
DRIFT_LEVELS = ("none", "slight", "large")


@dataclass(frozen=True, eq=False)
class DriftReference:
    """The distribution of k columns.

    edges: (k, 9), deciles, ascending, equal for frequent values. share: (k, 10).
    """

    edges: Floats
    share: Floats


def measure_reference(matrix: Matrix | Floats) -> DriftReference:
    """Measure the distribution of a matrix (n, k), finite. Errors: ValueError without rows."""
    if not len(matrix):
        raise ValueError("matrix must have at least one row, got none")
    edges = np.quantile(matrix, np.arange(1, BINS) / BINS, axis=0).T.astype(np.float64)
    return DriftReference(edges, _compute_shares(matrix, edges))


def population_stability_index(*, reference: DriftReference, matrix: Matrix | Floats) -> Floats:
    """Return the population stability index of each column, (k,).

    It is Σ (a − e) · ln(a / e) over bins.
    e is the share in the reference, a today's. Shares are (count + ½) / (n + 5), so that an empty bin doesn't make it infinite.
    Source: Yurdakul, Statistical Properties of Population Stability Index, 2018.
    Errors: ValueError for other columns or no rows.
    """
    if matrix.ndim != 2 or matrix.shape[1] != len(reference.edges) or not len(matrix):
        raise ValueError(f"matrix must have shape (n, {len(reference.edges)}), n at least 1, got {matrix.shape}")
    actual, expected = _compute_shares(matrix, reference.edges), reference.share
    index: Floats = ((actual - expected) * np.log(actual / expected)).sum(axis=1)
    return index


def classify_drift(index: Floats) -> Ints:
    """Return the index in DRIFT_LEVELS of each stability index, (k,)."""
    return np.digitize(index, [SLIGHT_DRIFT, LARGE_DRIFT]).astype(np.int64)


def _compute_shares(matrix: npt.NDArray[np.floating], edges: Floats) -> Floats:
    """Return the smoothed share of each bin, (k, 10)."""
    counts = np.empty((len(edges), BINS))
    for column, borders in enumerate(edges):
        counts[column] = np.bincount(np.searchsorted(borders, matrix[:, column]), minlength=BINS)
    return (counts + 0.5) / (len(matrix) + BINS / 2)
