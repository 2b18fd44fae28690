"""Tuning and evaluation of the current visit in for-you, by the next product of visits."""

from dataclasses import replace

import numpy as np

from recommendations.engine import Interactions
from recommendations.engine.data.visits import MAX_POSITIONS
from recommendations.engine.evaluation.evaluation_queries import EvaluationQueries
from recommendations.engine.evaluation.visit_queries import query_next_in_visit
from recommendations.engine.placements import DEFAULT_VISIT_SHARE
from recommendations.engine.tuning.visit_weights import (
    VisitComponents,
    compare_visits,
    tune_visit_ensemble,
    tune_visit_positions,
)
from recommendations.training.evaluation.placement_evaluation import (
    MIN_CUSTOMERS,
    PRODUCT_ALGORITHMS,
    PlacementEvaluator,
    PlacementMeasurement,
)
from recommendations.training.tuning.model_choice import SEED
from recommendations.training.tuning.placements.placement_result import VisitResult

FLOOR_POSITIONS = round(DEFAULT_VISIT_SHARE * MAX_POSITIONS)


def tune_visit(
    evaluator: PlacementEvaluator, interactions: Interactions, *, start: float, stop: float
) -> VisitResult | None:
    """Return the weights learned from the visits of a window; None if fewer than MIN_CUSTOMERS people have a visit.

    The visit's ensemble is tuned on all visitors; its positions are tuned on customers with earlier purchases if there are enough of them.
    """
    components = build_visit_components(evaluator)
    queries = query_visits(evaluator, interactions, start=start, stop=stop, bought_before=False)
    if not components.parts or queries.n_users < MIN_CUSTOMERS:
        return None
    weights = tune_visit_ensemble(components, queries)
    of_customers = query_visits(evaluator, interactions, start=start, stop=stop, bought_before=True)
    chosen_by = of_customers if of_customers.n_users >= MIN_CUSTOMERS else queries
    return VisitResult(tune_visit_positions(components, weights, chosen_by, seed=SEED))


def evaluate_visit(
    evaluator: PlacementEvaluator, visit: VisitResult, interactions: Interactions, *, start: float
) -> VisitResult:
    """Return the result with its evaluation on the test part: for-you as served by default, compared with for-you without the visit."""
    components = build_visit_components(evaluator)
    if not set(visit.weights.weights) <= set(components.parts):
        return visit
    for query_type, bought_before in (("next_new_in_visit", True), ("next_new_in_any_visit", False)):
        queries = query_visits(evaluator, interactions, start=start, stop=np.inf, bought_before=bought_before)
        if queries.n_users >= MIN_CUSTOMERS:
            positions = max(visit.weights.positions, FLOOR_POSITIONS)
            comparison = compare_visits(components, visit.weights, queries, positions=positions, seed=SEED)
            return replace(visit, measurement=PlacementMeasurement(query_type, comparison))
    return visit


def build_visit_components(evaluator: PlacementEvaluator) -> VisitComponents:
    """Return for-you and the algorithms that can score a visit, fitted on the past of the window."""
    parts = {name: evaluator.components[name] for name in PRODUCT_ALGORITHMS if name in evaluator.components}
    choice = evaluator.choice
    return VisitComponents(evaluator.for_you, parts, choice.event_weights, choice.normalization)


def query_visits(
    evaluator: PlacementEvaluator, interactions: Interactions, *, start: float, stop: float, bought_before: bool
) -> EvaluationQueries:
    """Return the queries of the visits of a window, without products that for-you must not show."""
    queries = query_next_in_visit(interactions, evaluator.sample, since=start, until=stop, bought_before=bought_before)
    split = evaluator.shop.split
    return queries.exclude(queries.histories.get_seen_items(split.seen_kinds)) if split.exclude_seen else queries
