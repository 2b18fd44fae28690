"""Reciprocal rank at n; its mean over users is MRR."""

import numpy as np

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, divide_per_user


def reciprocal_rank(hits: Hits, relevant: Counts) -> PerUser:
    """RR@n = 1 / place of the first hit, 0 without one.

    Source: Voorhees, TREC-8 1999. NaN when nothing was relevant.
    """
    return divide_per_user(np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1.0), 0.0), relevant)
