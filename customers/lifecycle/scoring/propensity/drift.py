"""Whether customers or scores look different today from when a model was learnt."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix

BINS = 10
# Siddiqi, Credit Risk Scorecards, Wiley 2006: below 0.1 no change to speak of, to 0.25 a slight one, beyond a real one
SLIGHT, LARGE = 0.1, 0.25
DRIFTS = ("none", "slight", "large")


@dataclass(frozen=True, eq=False)
class Reference:
    """What k columns looked like: edges (k, 9), of tenths of the rows, ascending, equal where a value is frequent; share (k, 10)."""

    edges: Floats
    share: Floats


def measure_reference(matrix: Matrix | Floats) -> Reference:
    """matrix: (n, k), finite. Errors: ValueError without rows."""
    if not len(matrix):
        raise ValueError("matrix has no rows; a reference needs at least one")
    edges = np.quantile(matrix, np.arange(1, BINS) / BINS, axis=0).T.astype(np.float64)
    return Reference(edges, _shares(matrix, edges))


def stability(*, reference: Reference, matrix: Matrix | Floats) -> Floats:
    """The population stability index of each column, (k,): Σ (a − e) · ln(a / e) over bins, e the share then, a that of today.

    Shares are (count + ½) / (n + 5), so that an empty bin doesn't make it infinite. Source: Yurdakul, Statistical Properties of
    Population Stability Index, 2018. Errors: ValueError for other columns or no rows.
    """
    if matrix.ndim != 2 or matrix.shape[1] != len(reference.edges) or not len(matrix):
        raise ValueError(f"matrix must have shape (n, {len(reference.edges)}), n at least 1, got {matrix.shape}")
    actual, expected = _shares(matrix, reference.edges), reference.share
    found: Floats = ((actual - expected) * np.log(actual / expected)).sum(axis=1)
    return found


def drift_level(index: Floats) -> Ints:
    """The place in DRIFTS of each index, (k,)."""
    return np.digitize(index, [SLIGHT, LARGE]).astype(np.int64)


def _shares(matrix: npt.NDArray[np.floating], edges: Floats) -> Floats:
    counts = np.empty((len(edges), BINS))
    for column, borders in enumerate(edges):
        counts[column] = np.bincount(np.searchsorted(borders, matrix[:, column]), minlength=BINS)
    return (counts + 0.5) / (len(matrix) + BINS / 2)
