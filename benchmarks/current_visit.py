"""How much the current visit improves for-you: the next product of visits, with and without its positions.

Used by `benchmarks.behaviours`. Algorithms have their default parameters, for-you's weights are tuned on the purchases of a validation
window, the visit on the visits of that window, and both are evaluated once on the visits of the last window.
"""

from typing import Any

import numpy as np

from benchmarks.neighbours import log
from recommendations.engine import ALGORITHMS, Algorithm, Interactions, Products
from recommendations.engine.data.event_weights import DEFAULT_EVENT_WEIGHTS
from recommendations.engine.data.visits import MAX_POSITIONS
from recommendations.engine.evaluation.evaluation_queries import EvaluationQueries, QuerySample
from recommendations.engine.evaluation.placement_evaluation import make_ensemble
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.engine.evaluation.visit_queries import query_next_in_visit
from recommendations.engine.placements import DEFAULT_VISIT_SHARE
from recommendations.engine.tuning.ensemble_weights import choose_weights
from recommendations.engine.tuning.visit_weights import (
    VisitComponents,
    VisitWeights,
    compare_visits,
    tune_visit_ensemble,
    tune_visit_positions,
)
from recommendations.training.data.time_split import TimeSplit, split_by_time
from recommendations.training.tuning.search_space import CANDIDATES

COMPONENTS = ("popularity", "repeat", "item-knn", "co-purchase", "transitions", "session-knn", "user-knn")
PARTS = ("item-knn", "co-purchase", "transitions", "session-knn")
GAP_S = 1800.0  # each purchase of such files has its own time, so purchases within half an hour form an order
MIN_PEOPLE = 30


def measure_current_visit(interactions: Interactions, *, seed: int) -> dict[str, Any]:
    """Return the figures of people with purchases and views, and of all visitors; {} for a file without enough visits."""
    try:
        split = split_by_time(interactions)
    except EmptySplitError:
        return {}
    start, stop = split.validation.train.as_of, split.test.train.as_of
    components = fit_components(interactions.before(start))
    weights = choose_weights(
        components=components,
        train=DEFAULT_EVENT_WEIGHTS.of(interactions.before(start)),
        validation=DEFAULT_EVENT_WEIGHTS.of(split.validation.test),
        exclude_seen=split.exclude_seen,
        seen_kinds=split.seen_kinds,
        seed=seed,
    ).weights
    tuning, final = (make_visit_components(parts, weights) for parts in (components, fit_components(split.test.train)))
    of_all = query_visits(interactions, split, since=start, until=stop, bought_before=False, seed=seed)
    of_buyers = query_visits(interactions, split, since=start, until=stop, bought_before=True, seed=seed)
    if min(of_all.n_users, of_buyers.n_users) < MIN_PEOPLE:
        return {}
    visit = tune_visit_positions(tuning, tune_visit_ensemble(tuning, of_all), of_buyers, seed=seed)
    log(f"current visit: {visit}; for-you {weights}")
    figures: dict[str, Any] = {
        "weights": dict(visit.weights),
        "decay": visit.decay,
        "learned_positions": visit.positions,
        "floor_positions": round(DEFAULT_VISIT_SHARE * MAX_POSITIONS),
        "for_you": {name: weight for name, weight in weights.items() if weight},
    }
    for name, bought_before in (("people_with_purchases", True), ("all_visitors", False)):
        queries = query_visits(interactions, split, since=stop, until=np.inf, bought_before=bought_before, seed=seed)
        figures[name] = summarize(final, visit, queries, seed)
    return figures


def fit_components(past: Interactions) -> dict[str, Algorithm]:
    weighted = DEFAULT_EVENT_WEIGHTS.of(past)
    fitted = {}
    for name in COMPONENTS:
        candidate = CANDIDATES[name]
        gap = {"gap_s": GAP_S} if name == "co-purchase" else {}
        parameters = {**candidate.fixed, **candidate.start, **gap}
        fitted[name] = ALGORITHMS[name](**parameters).fit(weighted, Products(past.n_items))
    return fitted


def make_visit_components(components: dict[str, Algorithm], weights: dict[str, float]) -> VisitComponents:
    parts = {name: components[name] for name in PARTS}
    return VisitComponents(make_ensemble(components, weights), parts, DEFAULT_EVENT_WEIGHTS)


def query_visits(
    interactions: Interactions, split: TimeSplit, *, since: float, until: float, bought_before: bool, seed: int
) -> EvaluationQueries:
    sample = QuerySample(1500, seed, per_user=3)
    queries = query_next_in_visit(interactions, sample, since=since, until=until, bought_before=bought_before)
    return queries.exclude(queries.histories.get_seen_items(split.seen_kinds)) if split.exclude_seen else queries


def summarize(final: VisitComponents, visit: VisitWeights, queries: EvaluationQueries, seed: int) -> dict[str, Any]:
    positions = max(visit.positions, round(DEFAULT_VISIT_SHARE * MAX_POSITIONS))
    line: dict[str, Any] = {"queries": len(queries), "people": queries.n_users}
    for name, count in (("served", positions), ("learned", visit.positions)):
        comparison = compare_visits(final, visit, queries, positions=count, seed=seed)
        for metric, key in (("hit_rate", "hr@10"), ("ndcg", "ndcg@10")):
            difference = comparison.difference[metric]
            line |= {
                f"{key}_before": round(comparison.fallback[metric].value, 4),
                f"{key}_{name}": round(comparison.own[metric].value, 4),
                f"{key}_{name}_difference": [
                    round(value, 4) for value in (difference.value, difference.low, difference.high)
                ],
            }
    return line
