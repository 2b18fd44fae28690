"""Normalised discounted cumulative gain at n."""

import numpy as np

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, divide_per_user


def ndcg(hits: Hits, relevant: Counts) -> PerUser:
    """NDCG@n = DCG / IDCG with DCG = Σ_places hit / log₂(place + 1), places from 1, IDCG the DCG of min(n, |relevant|) hits in front.

    Source: Järvelin & Kekäläinen, TOIS 2002, with gains 0 and 1. NaN when nothing was relevant.
    """
    discounts = 1.0 / np.log2(np.arange(hits.shape[1]) + 2.0)
    ideal = np.concatenate([[1.0], np.cumsum(discounts)])[np.minimum(relevant, hits.shape[1])]
    return divide_per_user(hits @ discounts / ideal, relevant)
