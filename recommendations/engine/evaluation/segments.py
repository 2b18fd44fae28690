"""Evaluation by user segment, and for items that few users have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.data.interactions import Interactions
from recommendations.engine.evaluation.bootstrap import UNIT, estimate_intervals
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.runner import RANKING_METRICS, Evaluation

COLD_ITEMS = "cold items"


@dataclass(frozen=True)
class SegmentResult:
    """`metric`@`n` of `algorithm` over the `n_users` users of one segment who have a value, with its 95% interval low…high."""

    segment: str
    algorithm: str
    metric: str
    n: int
    n_users: int
    value: float
    low: float
    high: float


def segment_users(
    train: Interactions, users: npt.NDArray[np.integer], *, loyal_from: int = 5
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return masks over `users` by their baskets (orders, visits) in train: new ≤ 1, loyal ≥ `loyal_from`, active between."""
    if loyal_from < 2:
        raise ValueError(f"loyal_from must be at least 2, got {loyal_from}")
    _, first_lines = np.unique(train.number_baskets(), return_index=True)
    counts = np.bincount(train.user[first_lines], minlength=train.n_users)[users]
    return {"new": counts <= 1, "active": (counts > 1) & (counts < loyal_from), "loyal": counts >= loyal_from}


def find_cold_items(train: Interactions, *, below: int = 5) -> npt.NDArray[np.bool_]:
    """Return bool (n_items,): fewer than `below` users have it in train."""
    return count_users(train) < below


def count_users(train: Interactions) -> npt.NDArray[np.integer]:
    """Return how many users have each item."""
    return np.bincount(train.build_user_items().indices, minlength=train.n_items)


def evaluate_segments(
    evaluation: Evaluation,
    train: Interactions,
    *,
    metrics: Sequence[str] = ("recall", "ndcg", "hit_rate"),
    n: int = 10,
    loyal_from: int = 5,
    cold_below: int = 5,
) -> list[SegmentResult]:
    """Evaluate each algorithm for new, active and loyal users, and with only the cold items counted as relevant.

    An empty segment has 0 users and NaN. Errors: KeyError for a metric or n that was not evaluated.
    """
    masks = segment_users(train, evaluation.users, loyal_from=loyal_from)
    cold = _keep_columns(evaluation.relevant, find_cold_items(train, below=cold_below))
    results = []
    for name, scores in evaluation.scores.items():
        hits = find_hits(evaluation.rankings[name][:, :n], cold)
        for metric in metrics:
            parts = {segment: scores[metric, n][mask] for segment, mask in masks.items()}
            parts[COLD_ITEMS] = RANKING_METRICS[metric](hits, np.diff(cold.indptr))
            for segment, values in parts.items():
                interval = estimate_intervals(values[:, None], seed=evaluation.seed, bounds=UNIT)[0]
                n_users = int(np.isfinite(values).sum())
                results.append(
                    SegmentResult(segment, name, metric, n, n_users, interval.value, interval.low, interval.high)
                )
    return results


def _keep_columns(matrix: csr_array, columns: npt.NDArray[np.bool_]) -> csr_array:
    selected = csr_array(matrix.multiply(columns.astype(matrix.dtype)[None, :]))
    selected.eliminate_zeros()
    return selected
