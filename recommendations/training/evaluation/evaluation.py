"""Evaluation of the tuned model on the test part, against its components, the baselines and the active version."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.conf import settings

from recommendations.engine import Algorithm, Interactions, NothingToLearnError, Products, recommend
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
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.evaluation.first_purchases import measure_first_purchases
from recommendations.training.evaluation.new_products import measure_new_products
from recommendations.training.figures import round_figure, serialize_interval
from recommendations.training.tuning.model_choice import (
    EVALUATION_USERS,
    PRIMARY_METRIC,
    SEED,
    TOP_N,
    WEIGHTING_USERS,
    ModelChoice,
    ReportStep,
    fit_component,
)

logger = logging.getLogger(__name__)
SEGMENT_METRICS = ("ndcg", "hit_rate")
LIST_LENGTHS = (5, 10, 20)
EVALUATION_TIME_SHARE = 0.12  # of the time budget, for scoring the test users
MIN_EVALUATION_USERS, PROBE_USERS = 1000, 64
# Besides ranking all contestants, time is needed for their metrics, segments, the ablation and the lists of first purchases.
SCORINGS_PER_USER = 2.0


@dataclass(frozen=True, eq=False)
class ModelEvaluation:
    """The figures of one model on the test part.

    cut_at: split time in seconds since 1970; served: the contestant that serves if promoted; ablation: NDCG lost
    without each component; new_products: see `measure_new_products`; components: fitted on everything before the split;
    first_purchases: see `measure_first_purchases`. is_active_omitted: the algorithms of the active version find nothing to learn from any
    more, for example because all purchases were undone.
    """

    cut_at: float
    served: str
    evaluation: Evaluation
    segments: list[SegmentResult]
    ablation: list[dict[str, Any]]
    new_products: dict[str, Any]
    components: dict[str, Algorithm] = field(default_factory=dict)
    first_purchases: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_active_omitted: bool = False


def evaluate_choice(
    *,
    time_split: TimeSplit,
    choice: ModelChoice,
    products: Products,
    active: Mapping[str, Any] | None,
    step: ReportStep,
    budget: TrainingBudget | None = None,
) -> ModelEvaluation:
    """Evaluate the model once on the test part; nothing is tuned on it.

    active: parameters of the active version, which is refitted on the same past and named "active", unless there is nothing left to learn for it.
    budget: limits the number of customers if scoring all of them would take too long.
    """
    fits = _FitCache(time_split.test.train, products, step)
    parts = {name: fits.get_fitted(component, choice.event_weights) for name, component in choice.components.items()}
    contestants = {name: part for name, part in parts.items() if name not in choice.extra}
    served = find_served_algorithm(choice.weights)
    if served == "blend":
        contestants["blend"] = WeightedEnsemble.of_fitted(parts, choice.weights, choice.normalization)
    past = choice.event_weights.of(time_split.test.train)
    n_users = EVALUATION_USERS if budget is None else count_affordable_users(contestants, past, time_split, budget)
    test = sample_test_users(time_split.test.test, n_users)
    evaluation = _evaluate_contestants(contestants, past, test, time_split, step)
    if active is not None:
        try:
            evaluation = _add_active_version(evaluation, fits, active, test, time_split, step)
        except NothingToLearnError as error:
            # otherwise this version would make all later trainings fail too
            logger.warning("The active version cannot be evaluated again: %s", error)
    step("judging", 0.8)
    segments = evaluate_segments(evaluation, past, metrics=SEGMENT_METRICS, n=TOP_N)
    ablation = _measure_ablation(parts, choice, past, test, time_split)
    compared = {name: contestants[name] for name in ("content", served) if name in contestants}
    new_products = measure_new_products(contestants=compared, past=past, time_split=time_split, products=products)
    new_products["exploration"] = measure_exploration_cost(evaluation, served)
    compared = {name: contestants[name] for name in ("popularity", served) if name in contestants}
    first_purchases = measure_first_purchases(contestants=compared, past=past, test=test, time_split=time_split)
    return ModelEvaluation(
        time_split.test.train.as_of,
        served,
        evaluation,
        segments,
        ablation,
        new_products,
        parts,
        first_purchases,
        is_active_omitted=active is not None and "active" not in evaluation.scores,
    )


def measure_exploration_cost(evaluation: Evaluation, served: str) -> dict[str, Any]:
    """Return the maximum cost of new products at one of n positions under the current setting."""
    share = settings.RECOMMEND_EXPLORATION_SHARE
    if not share:
        return {}
    every = round(1 / share)
    lost = compute_exploration_cost(evaluation.rankings[served], evaluation.relevant, every=every, seed=SEED)
    return {
        "every": every,
        "at": evaluation.rankings[served].shape[1],
        "lost": round_figure(lost.value),
        "low": round_figure(lost.low),
        "high": round_figure(lost.high),
    }


def find_served_algorithm(weights: Mapping[str, float]) -> str:
    """Return the algorithm that serves for-you.

    This is the only algorithm with a weight, or else the ensemble.
    """
    used = [name for name, weight in weights.items() if weight > 0]
    return used[0] if len(used) == 1 else "blend"


def count_affordable_users(
    contestants: Mapping[str, Algorithm], past: Interactions, time_split: TimeSplit, budget: TrainingBudget
) -> int:
    """Return how many test users there is time to evaluate, from MIN_EVALUATION_USERS to EVALUATION_USERS, after timing PROBE_USERS."""
    users = np.unique(time_split.test.test.user)
    if len(users) <= MIN_EVALUATION_USERS:
        return EVALUATION_USERS
    histories = past.build_histories(users[:: max(len(users) // PROBE_USERS, 1)][:PROBE_USERS])
    started_at = budget.get_elapsed()
    for algorithm in contestants.values():
        recommend(algorithm, histories, max(LIST_LENGTHS), exclude_seen=False, tie_seed=SEED)
    per_user = SCORINGS_PER_USER * (budget.get_elapsed() - started_at) / len(histories)
    affordable = EVALUATION_TIME_SHARE * budget.seconds / per_user if per_user > 0 else EVALUATION_USERS
    return int(min(max(affordable, MIN_EVALUATION_USERS), EVALUATION_USERS))


def sample_test_users(test: Interactions, most: int) -> Interactions:
    """Return the test interactions of at most `most` users."""
    users = np.unique(test.user)
    if len(users) <= most:
        return test
    sampled = np.random.default_rng(SEED).choice(users, most, replace=False)
    return test.select(np.isin(test.user, sampled))


class _FitCache:
    """Algorithms fitted on the past of the test part, each set of parameters once.

    The active version may have components in common with the new one.
    """

    def __init__(self, train: Interactions, products: Products, step: ReportStep) -> None:
        self.train, self.products, self.step = train, products, step
        self.fitted: dict[str, Algorithm] = {}
        self.pasts: dict[str, Interactions] = {}

    def get_past(self, event_weights: EventWeights) -> Interactions:
        key = json.dumps(event_weights.to_json(), sort_keys=True)
        if key not in self.pasts:
            self.pasts[key] = event_weights.of(self.train)
        return self.pasts[key]

    def get_fitted(self, component: Mapping[str, Any], event_weights: EventWeights) -> Algorithm:
        key = json.dumps([component, event_weights.to_json()], sort_keys=True)
        if key not in self.fitted:
            self.step("fitting for the test", 0.6)
            self.fitted[key] = fit_component(component, self.get_past(event_weights), self.products)
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
    parameters: Mapping[str, Any],
    test: Interactions,
    time_split: TimeSplit,
    step: ReportStep,
) -> Evaluation:
    """Add the active version to the evaluation, under its own event weights. Errors: NothingToLearnError."""
    event_weights = EventWeights(**parameters["weighing"]) if "weighing" in parameters else DEFAULT_EVENT_WEIGHTS
    weights = {name: weight for name, weight in parameters["weights"].items() if weight > 0}
    parts = {name: fits.get_fitted(parameters["components"][name], event_weights) for name in weights}
    active = WeightedEnsemble.of_fitted(parts, weights, parameters["normalization"])
    other = _evaluate_contestants({"active": active}, fits.get_past(event_weights), test, time_split, step)
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
    """Return the loss of the ensemble without each component, for WEIGHTING_USERS users."""
    if find_served_algorithm(choice.weights) != "blend":
        return []
    users = np.unique(test.user)
    if len(users) > WEIGHTING_USERS:
        users = np.sort(np.random.default_rng(SEED).choice(users, WEIGHTING_USERS, replace=False))
    values = evaluate_without_each(
        components=parts,
        weights=choice.weights,
        histories=past.build_histories(users),
        relevant=find_relevant_items(test, past, users, time_split.exclude_seen, time_split.seen_kinds),
        exclude_seen=time_split.exclude_seen,
        seen_kinds=time_split.seen_kinds,
        n=TOP_N,
        normalization=choice.normalization,
        seed=SEED,
    )
    rows = []
    for name in (name for name in values if name):  # "" is the whole ensemble
        lost = estimate_intervals((values[""] - values[name])[:, None], seed=SEED)[0]
        rows.append(
            {
                "without": name,
                "weight": choice.weights[name],
                "lost": round_figure(lost.value),
                "low": round_figure(lost.low),
                "high": round_figure(lost.high),
            }
        )
    return sorted(rows, key=lambda row: -(row["lost"] or 0.0))


def serialize_figures(model_evaluation: ModelEvaluation) -> dict[str, dict[str, Any]]:
    """Return algorithm → metric@n → value, low, high, the seconds to recommend, and the figures of first purchases."""
    evaluation = model_evaluation.evaluation
    figures: dict[str, dict[str, Any]] = {name: {} for name in evaluation.scores}
    for result in evaluation.results:
        figures[result.algorithm][f"{result.metric}@{result.n}"] = serialize_interval(result)
    for name, seconds in evaluation.recommend_s.items():
        figures[name]["recommend_s"] = round(seconds, 3)
    for name, first_purchases in model_evaluation.first_purchases.items():
        figures[name] |= first_purchases
    return figures


def serialize_comparisons(evaluation: Evaluation, *, winner: str) -> list[dict[str, Any]]:
    """Return the difference between the winner and each other algorithm on the same users."""
    rows = []
    for other in evaluation.scores:
        if other != winner:
            interval = evaluation.compare(winner, other, PRIMARY_METRIC, TOP_N)
            rows.append(
                {
                    "metric": f"{PRIMARY_METRIC}@{TOP_N}",
                    "first": winner,
                    "second": other,
                    "difference": round_figure(interval.value),
                    "low": round_figure(interval.low),
                    "high": round_figure(interval.high),
                }
            )
    return rows


def serialize_segments(model_evaluation: ModelEvaluation) -> list[dict[str, Any]]:
    """Return the figures per customer segment."""
    return [
        {
            "segment": result.segment,
            "algorithm": result.algorithm,
            "metric": f"{result.metric}@{result.n}",
            "people": result.n_users,
            **serialize_interval(result),
        }
        for result in model_evaluation.segments
    ]
