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
    """Return the mean NDCG@n of the lists minus that of the same lists with an irrelevant product at one of `every` positions.

    items: int32 (users, n), best first. The position is random but never the first one, as in serving; products behind it move one
    position down. The benefit of the new products is not counted, so this is the most that exploration can cost; returned with its
    bootstrap interval over users. Errors: ValueError for `every` below 2.
    """
    if every < 2:
        raise ValueError(f"every must be at least 2, got {every}")
    hits, counts = find_hits(items, relevant), np.diff(relevant.indptr)
    n_users, n = hits.shape
    slots = np.random.default_rng(seed).integers(every, size=(n_users, -(-n // every)))
    slots[:, 0] = np.maximum(slots[:, 0], 1)
    slots += np.arange(0, n, every)
    is_new = np.arange(n) == np.repeat(slots, every, axis=1)[:, :n]
    positions = np.maximum(np.cumsum(~is_new, axis=1) - 1, 0)
    explored = np.take_along_axis(hits, positions, axis=1)
    explored[is_new] = 0
    return estimate_intervals((ndcg(hits, counts) - ndcg(explored, counts))[:, None], seed=seed)[0]
