"""Evaluation of the tuned model on the test part, against its components, the baselines and the active version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.conf import settings

from recommendations.engine import Algorithm, Interactions, Products
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.event_weights import DEFAULT_EVENT_WEIGHTS, EventWeights
from recommendations.engine.evaluation import (
    Evaluation,
    SegmentResult,
    estimate_intervals,
    evaluate_fitted,
    evaluate_segments,
)
from recommendations.engine.evaluation.exploration_cost import compute_exploration_cost
from recommendations.engine.evaluation.runner import find_relevant_items
from recommendations.engine.tuning.ensemble_weights import evaluate_without_each
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.evaluation.new_products import measure_new_products
from recommendations.training.tuning.model_choice import (
    EVALUATION_CUSTOMERS,
    PRIMARY_METRIC,
    SEED,
    TOP_N,
    WEIGHTING_CUSTOMERS,
    ModelChoice,
    ReportStep,
    fit_component,
    round_finite,
)

SEGMENT_METRICS = ("ndcg", "hit_rate")
LIST_LENGTHS = (5, 10, 20)


@dataclass(frozen=True, eq=False)
class ModelEvaluation:
    """The figures of one model on the test part.

    cut_at: split time in seconds since 1970; served: the contestant that is to serve; ablation: NDCG lost without each component;
    new_products: see `measure_new_products`; components: fitted on everything before the split.
    """

    cut_at: float
    served: str
    evaluation: Evaluation
    segments: list[SegmentResult]
    ablation: list[dict[str, Any]]
    new_products: dict[str, Any]
    components: dict[str, Algorithm] = field(default_factory=dict)


def evaluate_choice(
    *,
    time_split: TimeSplit,
    choice: ModelChoice,
    products: Products,
    active: Mapping[str, Any] | None,
    step: ReportStep,
) -> ModelEvaluation:
    """Evaluate the model once on the test part; nothing is tuned on it.

    active: parameters of the active version, refitted on the same past as "active".
    """
    fits = _FitCache(time_split.test.train, products, step)
    parts = {name: fits.of(described, choice.event_weights) for name, described in choice.components.items()}
    contestants = {name: part for name, part in parts.items() if name not in choice.extra}
    served = find_served_algorithm(choice.weights)
    if served == "blend":
        contestants["blend"] = WeightedEnsemble.of_fitted(parts, choice.weights, choice.normalization)
    past, test = choice.event_weights.of(time_split.test.train), sample_test_customers(time_split.test.test)
    evaluation = _evaluate_contestants(contestants, past, test, time_split, step)
    if active is not None:
        evaluation = _add_active_version(evaluation, fits, active, past, test, time_split, step)
    step("judging", 0.8)
    segments = evaluate_segments(evaluation, past, metrics=SEGMENT_METRICS, n=TOP_N)
    ablation = _measure_ablation(parts, choice, past, test, time_split)
    compared = {name: contestants[name] for name in ("content", served) if name in contestants}
    new_products = measure_new_products(contestants=compared, past=past, time_split=time_split, products=products)
    new_products["exploration"] = measure_exploration_cost(evaluation, served)
    return ModelEvaluation(time_split.test.train.as_of, served, evaluation, segments, ablation, new_products, parts)


def measure_exploration_cost(evaluation: Evaluation, served: str) -> dict[str, Any]:
    """Return the most that showing new products at every nth position costs under the current setting."""
    share = settings.RECOMMEND_EXPLORATION_SHARE
    if not share:
        return {}
    every = round(1 / share)
    lost = compute_exploration_cost(evaluation.rankings[served], evaluation.relevant, every=every, seed=SEED)
    return {
        "every": every,
        "at": evaluation.rankings[served].shape[1],
        "lost": round_finite(lost.value),
        "low": round_optional(lost.low),
        "high": round_optional(lost.high),
    }


def find_served_algorithm(weights: Mapping[str, float]) -> str:
    """Return the algorithm that serves for-you: a single one with all the weight, else the ensemble."""
    used = [name for name, weight in weights.items() if weight > 0]
    return used[0] if len(used) == 1 else "blend"


def sample_test_customers(test: Interactions) -> Interactions:
    """Return the test interactions of at most EVALUATION_CUSTOMERS customers."""
    people = np.unique(test.user)
    if len(people) <= EVALUATION_CUSTOMERS:
        return test
    chosen = np.random.default_rng(SEED).choice(people, EVALUATION_CUSTOMERS, replace=False)
    return test.subset(np.isin(test.user, chosen))


class _FitCache:
    """Algorithms fitted on the past of the test part, each set of parameters once."""

    def __init__(self, train: Interactions, products: Products, step: ReportStep) -> None:
        self.train, self.products, self.step = train, products, step
        self.fitted: dict[str, Algorithm] = {}
        self.pasts: dict[str, Interactions] = {}

    def past(self, weighing: EventWeights) -> Interactions:
        key = json.dumps(weighing.as_json(), sort_keys=True)
        if key not in self.pasts:
            self.pasts[key] = weighing.of(self.train)
        return self.pasts[key]

    def of(self, described: Mapping[str, Any], weighing: EventWeights) -> Algorithm:
        key = json.dumps([described, weighing.as_json()], sort_keys=True)
        if key not in self.fitted:
            self.step("fitting for the test", 0.6)
            self.fitted[key] = fit_component(described, self.past(weighing), self.products)
        return self.fitted[key]


def _evaluate_contestants(
    contestants: Mapping[str, Algorithm],
    past: Interactions,
    test: Interactions,
    time_split: TimeSplit,
    step: ReportStep,
) -> Evaluation:
    """Evaluate the contestants on the test interactions."""
    step("judging", 0.7)
    return evaluate_fitted(
        algorithms=contestants,
        train=past,
        test=test,
        exclude_seen=time_split.exclude_seen,
        seen_kinds=time_split.seen_kinds,
        seed=SEED,
        ns=LIST_LENGTHS,
    )


def _add_active_version(
    evaluation: Evaluation,
    fits: _FitCache,
    recipe: Mapping[str, Any],
    past: Interactions,
    test: Interactions,
    time_split: TimeSplit,
    step: ReportStep,
) -> Evaluation:
    """Add the active version to the evaluation, under its own event weights and for the same customers."""
    weighing = EventWeights(**recipe["weighing"]) if "weighing" in recipe else DEFAULT_EVENT_WEIGHTS
    used = {name: weight for name, weight in recipe["weights"].items() if weight > 0}
    parts = {name: fits.of(recipe["components"][name], weighing) for name in used}
    active = WeightedEnsemble.of_fitted(parts, used, recipe["normalization"])
    other = _evaluate_contestants({"active": active}, fits.past(weighing), test, time_split, step)
    return Evaluation(
        [*evaluation.results, *other.results],
        evaluation.users,
        {**evaluation.scores, **other.scores},
        {**evaluation.fit_s, **other.fit_s},
        {**evaluation.recommend_s, **other.recommend_s},
        evaluation.seed,
        {**evaluation.rankings, **other.rankings},
        evaluation.relevant,
    )


def _measure_ablation(
    parts: Mapping[str, Algorithm], choice: ModelChoice, past: Interactions, test: Interactions, time_split: TimeSplit
) -> list[dict[str, Any]]:
    """Return how much the ensemble loses without each component, on at most WEIGHTING_CUSTOMERS customers."""
    if find_served_algorithm(choice.weights) != "blend":
        return []
    people = np.unique(test.user)
    if len(people) > WEIGHTING_CUSTOMERS:
        people = np.sort(np.random.default_rng(SEED).choice(people, WEIGHTING_CUSTOMERS, replace=False))
    values = evaluate_without_each(
        components=parts,
        weights=choice.weights,
        histories=past.histories(people),
        relevant=find_relevant_items(test, past, people, time_split.exclude_seen, time_split.seen_kinds),
        exclude_seen=time_split.exclude_seen,
        seen_kinds=time_split.seen_kinds,
        n=TOP_N,
        normalization=choice.normalization,
    )
    rows = []
    for name in (name for name in values if name):
        lost = estimate_intervals((values[""] - values[name])[:, None], seed=SEED)[0]
        rows.append(
            {
                "without": name,
                "weight": choice.weights[name],
                "lost": round_finite(lost.value),
                "low": round_optional(lost.low),
                "high": round_optional(lost.high),
            }
        )
    return sorted(rows, key=lambda row: -(row["lost"] or 0.0))


def serialize_figures(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Return algorithm → metric@n → value, low, high, and the seconds to recommend."""
    figures: dict[str, dict[str, Any]] = {name: {} for name in evaluation.scores}
    for result in evaluation.results:
        figures[result.algorithm][f"{result.metric}@{result.n}"] = {
            "value": round_optional(result.value),
            "low": round_optional(result.low),
            "high": round_optional(result.high),
        }
    for name, seconds in evaluation.recommend_s.items():
        figures[name]["recommend_s"] = round(seconds, 3)
    return figures


def serialize_comparisons(evaluation: Evaluation, *, winner: str) -> list[dict[str, Any]]:
    """Return the difference of the winner to each other algorithm on the same customers."""
    rows = []
    for other in evaluation.scores:
        if other != winner:
            interval = evaluation.difference(winner, other, PRIMARY_METRIC, TOP_N)
            rows.append(
                {
                    "metric": f"{PRIMARY_METRIC}@{TOP_N}",
                    "first": winner,
                    "second": other,
                    "difference": round_optional(interval.value),
                    "low": round_optional(interval.low),
                    "high": round_optional(interval.high),
                }
            )
    return rows


def serialize_segments(model_evaluation: ModelEvaluation) -> list[dict[str, Any]]:
    """Return the figures per customer segment."""
    return [
        {
            "segment": row.segment,
            "algorithm": row.algorithm,
            "metric": f"{row.metric}@{row.n}",
            "people": row.people,
            "value": round_optional(row.value),
            "low": round_optional(row.low),
            "high": round_optional(row.high),
        }
        for row in model_evaluation.segments
    ]


def round_optional(value: float | None) -> float | None:
    """Return a rounded number, None for NaN or None."""
    return None if value is None else round_finite(value)
