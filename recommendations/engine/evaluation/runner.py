"""Evaluates several algorithms on one split, with confidence intervals and paired differences."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Algorithm
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.evaluation.beyond_accuracy.coverage import compute_coverage
from recommendations.engine.evaluation.beyond_accuracy.diversity import compute_diversity
from recommendations.engine.evaluation.beyond_accuracy.gini import compute_gini
from recommendations.engine.evaluation.beyond_accuracy.novelty import compute_novelty
from recommendations.engine.evaluation.beyond_accuracy.popularity_lift import compute_popularity_lift
from recommendations.engine.evaluation.bootstrap import UNIT, ConfidenceInterval, estimate_intervals
from recommendations.engine.evaluation.ranking_metrics.average_precision import average_precision
from recommendations.engine.evaluation.ranking_metrics.f1 import f1
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.precision import precision
from recommendations.engine.evaluation.ranking_metrics.recall import recall
from recommendations.engine.evaluation.ranking_metrics.reciprocal_rank import reciprocal_rank
from recommendations.engine.linear_algebra.sparse import transpose
from recommendations.engine.topn import recommend

RANKING_METRICS: dict[str, Callable[[Hits, Counts], PerUser]] = {
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "ndcg": ndcg,
    "hit_rate": hit_rate,
    "map": average_precision,
    "mrr": reciprocal_rank,
}
MAX_DIVERSITY_USERS = 10_000


@dataclass(frozen=True)
class MetricResult:
    """One result: `metric`@`n` of `algorithm` and its 95% interval low…high (None where no interval is defined)."""

    algorithm: str
    metric: str
    n: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All results on one split. users: rows of the evaluated users; scores[algorithm][metric, n]: one value per user.

    rankings: algorithm → int32 (users, largest n) of the items shown. relevant: CSR (users, items) of the relevant items.
    """

    results: list[MetricResult]
    users: npt.NDArray[np.int32]
    scores: dict[str, dict[tuple[str, int], PerUser]]
    fit_s: dict[str, float]
    recommend_s: dict[str, float]
    seed: int
    rankings: dict[str, npt.NDArray[np.int32]]
    relevant: csr_array

    def get_result(self, algorithm: str, metric: str, n: int) -> MetricResult:
        """Return one result. Errors: KeyError."""
        for result in self.results:
            if (result.algorithm, result.metric, result.n) == (algorithm, metric, n):
                return result
        raise KeyError(f"{metric}@{n} of {algorithm} was not evaluated")

    def compare(self, first: str, second: str, metric: str, n: int) -> ConfidenceInterval:
        """Return the mean of first − second over the same users with its paired bootstrap interval."""
        difference = self.scores[first][metric, n] - self.scores[second][metric, n]
        return estimate_intervals(difference[:, None], seed=self.seed)[0]

    def find_best(self, metric: str = "ndcg", n: int = 10) -> str:
        """Return the name of the algorithm with the largest value; the first one if several are equal."""
        return max(self.scores, key=lambda name: self.get_result(name, metric, n).value)


def evaluate(
    *,
    algorithms: Mapping[str, Algorithm],
    train: Interactions,
    test: Interactions,
    exclude_seen: bool,
    seed: int,
    products: Products | None = None,
    ns: Sequence[int] = (5, 10, 20),
    allowed: npt.NDArray[np.bool_] | None = None,
) -> Evaluation:
    """Fit each algorithm on train, rank all products for each test user, and compare with their interactions in test.

    The distinct products of a user in test are relevant; with `exclude_seen` only those not in train, which are then never shown
    either. Ties are broken at random by the seed. Memory is bounded by that of the algorithms plus one block of scores.
    """
    fit_s = {}
    for name, algorithm in algorithms.items():
        start = time.perf_counter()
        algorithm.fit(train, products)
        fit_s[name] = time.perf_counter() - start
    return evaluate_fitted(
        algorithms=algorithms,
        train=train,
        test=test,
        exclude_seen=exclude_seen,
        seed=seed,
        ns=ns,
        allowed=allowed,
        fit_s=fit_s,
    )


def evaluate_fitted(
    *,
    algorithms: Mapping[str, Algorithm],
    train: Interactions,
    test: Interactions,
    exclude_seen: bool,
    seed: int,
    ns: Sequence[int] = (5, 10, 20),
    allowed: npt.NDArray[np.bool_] | None = None,
    fit_s: Mapping[str, float] | None = None,
    seen_kinds: Sequence[int] | None = None,
) -> Evaluation:
    """Evaluate algorithms that are already fitted on train; with `seen_kinds`, only interactions of these kinds mark a product as seen.

    Diversity compares products by which of at most MAX_DIVERSITY_USERS users, drawn by the seed, have them in train.
    """
    users = np.unique(test.user)
    histories = train.build_histories(users)
    relevant = find_relevant_items(test, train, users, exclude_seen, seen_kinds)
    counts = np.diff(relevant.indptr)
    own = train.build_user_items()
    had_by = np.bincount(own.indices, minlength=train.n_items)
    # Diversity compares the users of two products; a sample of users bounds its cost.
    item_users = transpose(own[_sample_rows(train.n_users, MAX_DIVERSITY_USERS, seed), :])
    own = own[users, :]
    results: list[MetricResult] = []
    rankings = {}
    scores: dict[str, dict[tuple[str, int], PerUser]] = {}
    recommend_s = {}
    for name, algorithm in algorithms.items():
        start = time.perf_counter()
        ranking = recommend(
            algorithm,
            histories,
            max(ns),
            exclude_seen=exclude_seen,
            seen_kinds=seen_kinds,
            allowed=allowed,
            tie_seed=seed,
        )
        recommend_s[name] = time.perf_counter() - start
        rankings[name] = ranking.items
        hits = find_hits(ranking.items, relevant)
        scores[name] = {
            (metric, n): formula(hits[:, :n], counts) for n in ns for metric, formula in RANKING_METRICS.items()
        }
        for n in ns:
            items = ranking.items[:, :n]
            scores[name]["novelty", n] = compute_novelty(items, had_by, train.n_users)
            scores[name]["diversity", n] = compute_diversity(items, item_users)
            scores[name]["popularity_lift", n] = compute_popularity_lift(items, own, had_by)
            results.append(MetricResult(name, "coverage", n, compute_coverage(items, train.n_items), None, None))
            results.append(MetricResult(name, "gini", n, compute_gini(items, train.n_items), None, None))
        results += _build_results(name, scores[name], seed)
    return Evaluation(results, users, scores, dict(fit_s or {}), recommend_s, seed, rankings, relevant)


def _build_results(name: str, scores: dict[tuple[str, int], PerUser], seed: int) -> list[MetricResult]:
    results = []
    for is_ranking, bounds in ((True, UNIT), (False, None)):
        columns = {key: values for key, values in scores.items() if (key[0] in RANKING_METRICS) == is_ranking}
        intervals = estimate_intervals(np.column_stack(list(columns.values())), seed=seed, bounds=bounds)
        results += [
            MetricResult(name, metric, n, interval.value, interval.low, interval.high)
            for (metric, n), interval in zip(columns, intervals, strict=True)
        ]
    return results


def _sample_rows(n: int, most: int, seed: int) -> npt.NDArray[np.integer]:
    return np.arange(n) if n <= most else np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def find_relevant_items(
    test: Interactions,
    train: Interactions,
    users: npt.NDArray[np.int32],
    exclude_seen: bool,
    seen_kinds: Sequence[int] | None = None,
) -> csr_array:
    """Return CSR (users, items) whose stored columns are a user's products in test."""
    relevant = test.build_user_items()[users, :]
    if exclude_seen:
        seen = train if seen_kinds is None else train.select(np.isin(train.kind, seen_kinds))
        relevant = relevant - relevant.multiply(seen.build_user_items()[users, :] > 0)
        relevant.eliminate_zeros()
    return csr_array(relevant)
