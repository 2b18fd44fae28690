"""Evaluation of placements: weights are tuned on the queries of one time window and evaluated on those of another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Algorithm
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble, add_normalized
from recommendations.engine.evaluation.bootstrap import UNIT, ConfidenceInterval, estimate_intervals
from recommendations.engine.evaluation.evaluation_queries import EvaluationQueries
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import PerUser, find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.precision import precision
from recommendations.engine.linear_algebra.sparse import list_entry_rows, sum_entries
from recommendations.engine.topn import count_block_rows, select_top_n
from recommendations.engine.tuning.ensemble_weights import tune_ensemble_weights

METRICS = {"ndcg": ndcg, "hit_rate": hit_rate, "precision": precision}
PRIMARY = "ndcg"
MAX_SHOWN = 10
STEPS = (0.0, 0.03, 0.1, 0.25, 0.5, 1.0, 2.0)
DEPTH = 50
MIN_WEIGHT = 0.02  # a smaller weight costs time in every response without improving it

type Lists = npt.NDArray[np.int32]
type Ranker = Callable[[EvaluationQueries], Lists]


@dataclass(frozen=True, eq=False)
class QueryScores:
    """Queries and users with a relevant product; metric@10 → value of the placement, of its fallback, and paired difference, over users."""

    n_queries: int
    n_users: int
    own: dict[str, ConfidenceInterval]
    fallback: dict[str, ConfidenceInterval]
    difference: dict[str, ConfidenceInterval]

    def beats(self) -> bool:
        """Return whether the difference to the fallback is significantly above 0."""
        return self.difference[PRIMARY].low > 0


def rank_queries(algorithm: Algorithm, queries: EvaluationQueries, *, seed: int) -> Lists:
    """Return int32 (n, 10): the best items that each query allows."""
    size = count_block_rows(queries.histories.n_items)
    parts = [np.empty((0, MAX_SHOWN), np.int32)]
    for start in range(0, len(queries), size):
        block = queries.slice_rows(start, start + size)
        scores = algorithm.score(block.histories)
        if block.offered is not None:
            dense = scores.toarray() if isinstance(scores, csr_array) else scores
            is_offered = (block.offered.toarray() > 0) & (dense > 0)
            scores = np.where(is_offered, dense, np.float32(-np.inf))
        parts.append(
            select_top_n(
                scores, MAX_SHOWN, exclude=block.excluded, allowed=block.allowed, tie_seed=seed, first_row=start
            ).items
        )
    return np.concatenate(parts)


def make_ranker(algorithm: Algorithm, *, seed: int) -> Ranker:
    return lambda queries: rank_queries(algorithm, queries, seed=seed)


def tune_shares(
    components: Mapping[str, Algorithm], queries: EvaluationQueries, *, normalization: str = "max"
) -> tuple[dict[str, float], float]:
    """Return the weights with the largest mean NDCG@10 by `tune_ensemble_weights`, and that mean.

    Negligible components, and those that do not help beyond chance, get no weight.

    Components without a score for any relevant product get no weight. Errors: ValueError without a component.
    """
    if not components:
        raise ValueError("an ensemble needs at least one component, got none")
    chosen_weights = tune_ensemble_weights(
        components=components,
        histories=queries.histories,
        relevant=queries.relevant,
        exclude_seen=False,
        n=MAX_SHOWN,
        normalization=normalization,
        depth=DEPTH,
        steps=STEPS,
        rounds=2,
        excluded=queries.excluded,
        offered=queries.offered,
        drop_unhelpful=True,
        user=queries.user,
    )
    kept_shares = {name: share for name, share in chosen_weights.weights.items() if share >= MIN_WEIGHT}
    total = sum(kept_shares.values())
    return {name: round(share / total, 4) for name, share in kept_shares.items()}, chosen_weights.value


def make_ensemble(
    components: Mapping[str, Algorithm], weights: Mapping[str, float], normalization: str = "max"
) -> WeightedEnsemble:
    """Build the ensemble of the components with a weight."""
    positive = {name: share for name, share in weights.items() if share > 0}
    return WeightedEnsemble.of_fitted({name: components[name] for name in positive}, positive, normalization)


def summarize_scores(lists: Lists, queries: EvaluationQueries) -> dict[str, PerUser]:
    """Return metric → one value per query, NaN for queries without a relevant product."""
    hits, counts = find_hits(lists, queries.relevant), np.diff(queries.relevant.indptr)
    return {name: metric(hits, counts) for name, metric in METRICS.items()}


def compare_scores(
    own: Mapping[str, PerUser], fallback: Mapping[str, PerUser], user: npt.NDArray[np.integer], *, seed: int
) -> QueryScores:
    """Compare two rankings of the same queries. Each user counts once, whatever their number of queries."""
    has_relevant = np.isfinite(own[PRIMARY])
    _, row = np.unique(user[has_relevant], return_inverse=True)
    columns = {
        (side, metric): _average_by_user(values[metric][has_relevant], row)
        for side, values in (("own", own), ("fallback", fallback))
        for metric in METRICS
    }
    differences = {("difference", metric): columns["own", metric] - columns["fallback", metric] for metric in METRICS}
    intervals: dict[tuple[str, str], ConfidenceInterval] = {}
    for group, bounds in ((columns, UNIT), (differences, None)):
        estimates = estimate_intervals(np.column_stack(list(group.values())), seed=seed, bounds=bounds)
        intervals |= dict(zip(group, estimates, strict=True))
    sides = {
        side: {metric: intervals[side, metric] for metric in METRICS} for side in ("own", "fallback", "difference")
    }
    return QueryScores(
        int(has_relevant.sum()), len(columns["own", PRIMARY]), sides["own"], sides["fallback"], sides["difference"]
    )


def evaluate_lists(own: Lists, fallback: Lists, queries: EvaluationQueries, *, seed: int) -> QueryScores:
    return compare_scores(summarize_scores(own, queries), summarize_scores(fallback, queries), queries.user, seed=seed)


def list_categories(
    algorithm: Algorithm,
    queries: EvaluationQueries,
    category: npt.NDArray[np.int32],
    n_categories: int,
    *,
    pool: int,
    seed: int,
) -> tuple[Lists, csr_array]:
    """Return the ten best categories per query, by summed scores of its `pool` best items, and CSR (n, categories) of the relevant ones.

    category: int32 (n_items,), -1 for none.
    """
    size = count_block_rows(max(queries.histories.n_items, n_categories))
    parts = [np.empty((0, MAX_SHOWN), np.int32)]
    for start in range(0, len(queries), size):
        block = queries.histories.slice_rows(start, start + size)
        best = select_top_n(algorithm.score(block), pool, tie_seed=seed, first_row=start)
        item_categories = np.where(best.items >= 0, category[best.items], -1)
        rows, ranks = np.nonzero((item_categories >= 0) & (best.scores > 0))
        values = best.scores[rows, ranks]
        sums = sum_entries(rows, item_categories[rows, ranks], values, (len(block), n_categories))
        parts.append(select_top_n(sums, MAX_SHOWN, tie_seed=seed, first_row=start).items)
    return np.concatenate(parts), _map_to_categories(queries.relevant, category, n_categories)


def find_best_shares(
    scores: Sequence[Mapping[str, npt.NDArray[np.float32]]],
    queries: Sequence[EvaluationQueries],
    *,
    shares: Sequence[Mapping[str, float]],
    seed: int,
    normalization: str = "max",
) -> tuple[dict[str, float], float]:
    """Return the mixture of rankings common to all users with the largest mean NDCG@10, and that mean.

    scores: for each time window, name → (n_items,), -inf for items without a score.
    """
    best: tuple[dict[str, float], float] = ({}, -1.0)
    for mixture in shares:
        values = [
            summarize_scores(
                repeat_for_all(mix_lists(window_scores, mixture, normalization), window_queries, seed=seed),
                window_queries,
            )[PRIMARY]
            for window_scores, window_queries in zip(scores, queries, strict=True)
        ]
        value = compute_mean(np.concatenate(values))
        if value > best[1]:
            best = (dict(mixture), value)
    return best


def mix_lists(
    scores: Mapping[str, npt.NDArray[np.float32]], shares: Mapping[str, float], normalization: str = "max"
) -> npt.NDArray[np.float32]:
    """Return Σ share · normalized score, as in `WeightedEnsemble`; -inf for items without a score."""
    total = np.zeros((1, len(next(iter(scores.values())))), np.float32)
    for name, share in shares.items():
        if share:
            add_normalized(total, scores[name][None, :], share, normalization)
    total[total <= 0] = -np.inf
    return total[0]


def repeat_for_all(scores: npt.NDArray[np.float32], queries: EvaluationQueries, *, seed: int) -> Lists:
    """Return the ten best of one row of scores for every query; items excluded or offered per row are ignored here.

    Equal scores are in a random order, another one for each query, so that no row number decides.
    """
    best = select_top_n(scores[None, :], MAX_SHOWN + 1, allowed=queries.allowed)
    if not (np.diff(best.scores[best.items >= 0]) == 0).any():
        return np.broadcast_to(best.items[:, :MAX_SHOWN], (len(queries), MAX_SHOWN))
    size = count_block_rows(len(scores))
    parts = [np.empty((0, MAX_SHOWN), np.int32)]
    for start in range(0, len(queries), size):
        block = np.broadcast_to(scores, (min(size, len(queries) - start), len(scores)))
        ranking = select_top_n(block, MAX_SHOWN, allowed=queries.allowed, tie_seed=seed, first_row=start)
        parts.append(ranking.items)
    return np.concatenate(parts)


def compute_mean(values: PerUser) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else -1.0


def _average_by_user(values: PerUser, row: npt.NDArray[np.integer]) -> PerUser:
    return np.bincount(row, values) / np.maximum(np.bincount(row), 1)


def _map_to_categories(relevant: csr_array, category: npt.NDArray[np.int32], n_categories: int) -> csr_array:
    rows = list_entry_rows(relevant)
    item_categories = category[relevant.indices]
    has_category = item_categories >= 0
    keys = np.unique(rows[has_category] * n_categories + item_categories[has_category])
    shape = (relevant.shape[0], n_categories)
    return csr_array((np.ones(len(keys), np.float32), (keys // n_categories, keys % n_categories)), shape=shape)
