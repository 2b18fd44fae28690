"""Precision at n."""

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, divide_per_user


def precision(hits: Hits, relevant: Counts) -> PerUser:
    """Return P@n = |relevant ∩ first n| / n, also when fewer than n products were relevant or shown.

    NaN when nothing was relevant. Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, 8.4.
    """
    return divide_per_user(hits.sum(axis=1) / hits.shape[1], relevant)
