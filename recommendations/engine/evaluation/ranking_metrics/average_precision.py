"""Average precision at n; its mean over users is MAP."""

import numpy as np

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, divide_per_user


def average_precision(hits: Hits, relevant: Counts) -> PerUser:
    """Return AP@n = Σ_ranks hit · P@rank / min(n, |relevant|).

    Truncated at n. NaN when nothing was relevant. Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, 8.4.
    """
    ranks = np.arange(1, hits.shape[1] + 1)
    precisions = np.cumsum(hits, axis=1) / ranks
    return divide_per_user((hits * precisions).sum(axis=1) / np.clip(relevant, 1, hits.shape[1]), relevant)
