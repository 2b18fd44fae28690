"""Recall at n."""

import numpy as np

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, divide_per_user


def recall(hits: Hits, relevant: Counts) -> PerUser:
    """Return R@n = |relevant ∩ first n| / |relevant|; below 1 for any list if more than n products were relevant.

    NaN when nothing was relevant. Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, 8.4.
    """
    return divide_per_user(hits.sum(axis=1) / np.maximum(relevant, 1), relevant)
