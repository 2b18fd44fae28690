"""Evaluation of cold-start models, the contestants, on held-out customers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recommendations.engine import Products, select_top_n
from recommendations.engine.cold_start import ColdStart, CustomerTraits, NewVisitors
from recommendations.engine.evaluation import estimate_intervals
from recommendations.engine.evaluation.bootstrap import UNIT, ConfidenceInterval
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import PerUser, find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.recall import recall
from recommendations.engine.topn import count_block_rows
from recommendations.training.figures import compute_finite_mean, serialize_interval
from recommendations.training.tuning.cold_start.holdout import HeldOutCustomers
from recommendations.training.tuning.model_choice import PRIMARY_METRIC, SEED, TOP_N, ReportStep

BASELINE = "popularity"
WEIGHT_NAMES = ("traits", "cluster", "landing")
METRICS = {"ndcg": ndcg, "hit_rate": hit_rate, "recall": recall}

type Weights = Mapping[str, Any]


class ContestantEvaluator:
    """Fits and evaluates cold-start models; each held-out group is fitted once per pseudo count."""

    def __init__(self, traits: CustomerTraits, products: Products, half_life_days: float, step: ReportStep) -> None:
        self.traits, self.products, self.half_life_days, self.step = traits, products, half_life_days, step
        self.fitted: dict[tuple[HeldOutCustomers, Any], ColdStart] = {}

    def fit_model(self, held_out: HeldOutCustomers, weights: Weights) -> ColdStart:
        """Return the model with these weights; only the pseudo count requires another fit."""
        self.step("new customers", 0.83)
        key = (held_out, weights["pseudo_count"])
        if key not in self.fitted:
            unfitted = ColdStart(half_life_days=self.half_life_days, pseudo_count=weights["pseudo_count"], seed=SEED)
            self.fitted[key] = unfitted.fit(held_out.past, self.traits, self.products)
        return self.fitted[key].with_weights(**{name: weights[name] for name in (*WEIGHT_NAMES, "levels")})

    def compute_mean(self, folds: Sequence[HeldOutCustomers], weights: Weights) -> float:
        """Return the mean of the primary metric.

        Only items with lifts are ranked, which is enough to compare weights.
        """
        return compute_finite_mean(self.compute_scores(folds, weights, head=True)[PRIMARY_METRIC])

    def compute_scores(
        self, folds: Sequence[HeldOutCustomers], weights: Weights, *, head: bool = False
    ) -> dict[str, PerUser]:
        """Return metric → one value per customer; head: rank only items with lifts."""
        parts = [self.evaluate_fold(held_out, self.fit_model(held_out, weights), head=head) for held_out in folds]
        return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}

    def compute_all_scores(
        self, folds: Sequence[HeldOutCustomers], contestants: Mapping[str, Weights], *, head: bool = False
    ) -> dict[str, dict[str, PerUser]]:
        """Return the scores of every contestant."""
        return {name: self.compute_scores(folds, weights, head=head) for name, weights in contestants.items()}

    def evaluate_fold(self, held_out: HeldOutCustomers, model: ColdStart, *, head: bool) -> dict[str, PerUser]:
        """Return the metrics of one held-out group."""
        n_items = held_out.relevant.shape[1]
        visitors = model.make_visitors(self.traits.select_users(held_out.users), held_out.paths)
        items = model.items_ if head else np.arange(n_items, dtype=np.int32)
        column_of_item = np.full(n_items, -1, np.int32)
        column_of_item[items] = np.arange(len(items), dtype=np.int32)
        lists = []
        block_rows = count_block_rows(len(items))
        for start in range(0, len(visitors), block_rows):  # in blocks, because scores of all customers may not fit
            rows = slice(start, start + block_rows)
            scores = model.score(NewVisitors(visitors.has[rows], visitors.landing[rows]), only_head=head)
            first_columns = column_of_item[held_out.first[rows]]
            scores[np.flatnonzero(first_columns >= 0), first_columns[first_columns >= 0]] = -np.inf
            best = select_top_n(scores, TOP_N, tie_seed=SEED, first_row=start).items
            lists.append(np.where(best >= 0, items[best], -1).astype(np.int32))
        counts = np.diff(held_out.relevant.indptr)
        hits = find_hits(np.concatenate(lists) if lists else np.empty((0, TOP_N), np.int32), held_out.relevant)
        return {name: metric(hits, counts) for name, metric in METRICS.items()}


def find_best_contestant(scores: Mapping[str, PerUser]) -> str:
    """Return the contestant with the best mean if it beats popularity, else popularity."""
    best = max(scores, key=lambda name: compute_finite_mean(scores[name]))
    return best if compute_finite_mean(scores[best]) > compute_finite_mean(scores[BASELINE]) else BASELINE


def summarize_scores(scores: Mapping[str, Mapping[str, PerUser]]) -> list[dict[str, Any]]:
    """Return one row per contestant: metric@10 → value, low, high.

    difference: the primary metric minus that of popularity.
    """
    columns = {(name, metric): values for name, metrics in scores.items() for metric, values in metrics.items()}
    differences = {
        (name, "difference"): columns[name, PRIMARY_METRIC] - columns[BASELINE, PRIMARY_METRIC] for name in scores
    }
    intervals: dict[tuple[str, str], ConfidenceInterval] = {}
    for group, bounds in ((columns, UNIT), (differences, None)):
        estimates = estimate_intervals(np.column_stack(list(group.values())), seed=SEED, bounds=bounds)
        intervals |= dict(zip(group, estimates, strict=True))
    return [
        {
            "contestant": name,
            "figures": {f"{metric}@{TOP_N}": serialize_interval(intervals[name, metric]) for metric in METRICS},
            "difference": None if name == BASELINE else serialize_interval(intervals[name, "difference"]),
        }
        for name in scores
    ]
