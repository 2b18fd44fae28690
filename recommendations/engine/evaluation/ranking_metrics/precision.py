"""Precision at n."""

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerPerson, per_person


def precision(hits: Hits, relevant: Counts) -> PerPerson:
    """P@n = |relevant ∩ first n| / n, also when fewer than n products were relevant or shown.

    Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, 8.4. NaN when nothing was relevant.
    """
    return per_person(hits.sum(axis=1) / hits.shape[1], relevant)
