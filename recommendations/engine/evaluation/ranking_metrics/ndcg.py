"""Normalized discounted cumulative gain at n."""

import numpy as np

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, divide_per_user


def ndcg(hits: Hits, relevant: Counts) -> PerUser:
    """Return NDCG@n = DCG / IDCG with DCG = Σ_ranks hit / log₂(rank + 1), ranks from 1.

    IDCG is the DCG of min(n, |relevant|) hits at the first ranks. Gains are 0 and 1. NaN when nothing was relevant. Source: Järvelin
    & Kekäläinen, TOIS 2002.
    """
    discounts = 1.0 / np.log2(np.arange(hits.shape[1]) + 2.0)
    ideal = np.concatenate([[1.0], np.cumsum(discounts)])[np.minimum(relevant, hits.shape[1])]
    return divide_per_user(hits @ discounts / ideal, relevant)
