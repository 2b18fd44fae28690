"""Recall at n."""

import numpy as np

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerPerson, per_person


def recall(hits: Hits, relevant: Counts) -> PerPerson:
    """R@n = |relevant ∩ first n| / |relevant|; below 1 for any list where more than n products were relevant.

    Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, 8.4. NaN when nothing was relevant.
    """
    return per_person(hits.sum(axis=1) / np.maximum(relevant, 1), relevant)
