"""Popularity bias at n: popularity of the recommended products relative to the user's own products."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.evaluation.ranking_metrics.hits import PerUser
from recommendations.engine.evaluation.ranking_metrics.ranked_lists import average_lists


def compute_popularity_lift(
    items: npt.NDArray[np.int32], own: csr_array, user_counts: npt.NDArray[np.integer]
) -> PerUser:
    """Return PL@n = (mean popularity of the list − mean popularity of the user's own products) / the latter.

    The popularity of a product is people_with[i]; own: CSR (users, n_items) whose stored columns are a user's own products. 0: the
    list is as popular as the user's own purchases. NaN for an empty list and for users without a product. Source: Abdollahpouri et
    al., "The Connection Between Popularity Bias, Calibration, and Fairness in Recommendation", RecSys 2020.
    """
    counts = np.diff(own.indptr)
    rows = np.repeat(np.arange(own.shape[0]), counts)
    sums = np.bincount(rows, user_counts[own.indices], own.shape[0])
    own_means = np.divide(sums, counts, out=np.full(own.shape[0], np.nan), where=sums > 0)
    return (average_lists(items, user_counts.astype(np.float64)) - own_means) / own_means
