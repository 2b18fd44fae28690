"""Upper bound on the cost of giving some positions of a list to new products."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.evaluation.bootstrap import ConfidenceInterval, estimate_intervals
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg


def compute_exploration_cost(
    items: npt.NDArray[np.int32], relevant: csr_array, *, every: int, seed: int
) -> ConfidenceInterval:
    """Return the mean NDCG@n of the lists minus that of the same lists with an irrelevant product at every `every`-th position.

    items: int32 (users, n), best first. Products behind such a position move one position down. The benefit of the new products is
    not counted, so this is the most that exploration can cost; returned with its bootstrap interval over users. 0 if n has no such
    position. Errors: ValueError for `every` below 2.
    """
    if every < 2:
        raise ValueError(f"every must be at least 2, got {every}")
    hits, counts = find_hits(items, relevant), np.diff(relevant.indptr)
    n = hits.shape[1]
    remaining = np.flatnonzero((np.arange(n) + 1) % every)
    explored = np.zeros_like(hits)
    explored[:, remaining] = hits[:, : len(remaining)]
    return estimate_intervals((ndcg(hits, counts) - ndcg(explored, counts))[:, None], seed=seed)[0]
