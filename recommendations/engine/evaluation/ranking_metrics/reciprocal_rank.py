"""Reciprocal rank at n; its mean over users is MRR."""

import numpy as np

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, divide_per_user


def reciprocal_rank(hits: Hits, relevant: Counts) -> PerUser:
    """Return RR@n = 1 / rank of the first hit, 0 without a hit.

    NaN when nothing was relevant. Source: Voorhees, TREC-8 1999.
    """
    return divide_per_user(np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1.0), 0.0), relevant)
