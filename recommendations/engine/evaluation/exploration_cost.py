"""What it costs at most to give some places of a list to products of which nothing is known yet."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.evaluation.bootstrap import ConfidenceInterval, estimate_intervals
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg


def compute_exploration_cost(
    items: npt.NDArray[np.int32], relevant: csr_array, *, every: int, seed: int
) -> ConfidenceInterval:
    """Mean NDCG@n of the lists less that of the same lists whose every nth place went to something no user wanted.

    items: int32 (users, n), best first. The products behind such a place move one place down. What the new products bring is not in
    it, so this is the most that trying them can cost, with its bootstrap interval over users. 0 where no such place is among the n.
    Errors: ValueError for `every` below 2.
    """
    if every < 2:
        raise ValueError(f"every must be at least 2, got {every}")
    hits, counts = find_hits(items, relevant), np.diff(relevant.indptr)
    n = hits.shape[1]
    kept = np.flatnonzero((np.arange(n) + 1) % every)
    tried = np.zeros_like(hits)
    tried[:, kept] = hits[:, : len(kept)]
    return estimate_intervals((ndcg(hits, counts) - ndcg(tried, counts))[:, None], seed=seed)[0]
