"""Tuning of trending: the same list for everyone, evaluated on several weekly windows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from recommendations.engine.algorithms.popularity.trending import Trending
from recommendations.engine.evaluation.evaluation_queries import (
    EvaluationQueries,
    QuerySample,
    find_rising_items,
    query_purchases,
)
from recommendations.engine.evaluation.placement_evaluation import find_best_shares
from recommendations.engine.placements import TRENDING
from recommendations.engine.tuning.parameter_search import search_parameters
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.time_split import DAY_SECONDS
from recommendations.training.evaluation.placement_data import EvaluationWindow, ShopData
from recommendations.training.evaluation.placement_evaluation import (
    MIN_CUSTOMERS,
    PlacementWeights,
    score_without_history,
)
from recommendations.training.evaluation.trending_evaluation import measure_trending
from recommendations.training.tuning.model_choice import SEED, ModelChoice, ReportStep, fit_component
from recommendations.training.tuning.placements.placement_result import PlacementResult

TRENDING_TIME_SHARE = 0.02  # of the training's time budget
WINDOW_DAYS, MAX_WINDOWS = 7.0, 4
TRENDING_SPACE: dict[str, tuple[Any, ...]] = {
    "popularity": (0.0, 0.1, 0.2, 0.35, 0.5),  # its share: never more than trending itself
    "level": (0.0, 0.25, 0.5, 1.0),
    "window_days": (3.0, 7.0, 14.0, 28.0),
    "shrinkage": (1.0, 3.0, 10.0, 30.0),
    "half_life_days": (28.0, 56.0, 90.0, None),
}
TRENDING_START = {"popularity": 0.2, "level": 0.5, "window_days": 7.0, "shrinkage": 3.0, "half_life_days": 56.0}


def tune_trending(
    *,
    shop: ShopData,
    choice: ModelChoice,
    windows: Sequence[EvaluationWindow],
    sample: QuerySample,
    budget: TrainingBudget,
    step: ReportStep,
) -> tuple[PlacementResult, dict[str, Any]]:
    """Tune the parameters of trending and its share of popularity.

    Return the placement and its component.

    windows: of the validation part, each with popularity fitted on its past.
    """
    query_sets = make_trending_queries(shop, windows, sample)
    if sum(queries.n_users for queries in query_sets) < MIN_CUSTOMERS:
        return PlacementResult(TRENDING, PlacementWeights({TRENDING: 1.0})), describe_trending(TRENDING_START)

    def fit_windows(parameters: Mapping[str, Any]) -> list[EvaluationWindow]:
        own = select_own_parameters(parameters)
        return [
            replace(window, components={**window.components, TRENDING: Trending(**own).fit(window.weighted)})
            for window in windows
        ]

    def evaluate(parameters: dict[str, Any]) -> float:
        step("places", 0.57)
        scores = [
            {name: score_without_history(part) for name, part in window.components.items()}
            for window in fit_windows(parameters)
        ]
        shares = [get_trending_shares(parameters)]
        return find_best_shares(scores, query_sets, shares=shares, seed=SEED, normalization=choice.normalization)[1]

    parameters = search_parameters(
        space=TRENDING_SPACE,
        evaluate=evaluate,
        budget_s=TRENDING_TIME_SHARE * budget.seconds,
        seed=SEED,
        start=TRENDING_START,
        patience=5,
        clock=budget.clock,
    ).best.parameters
    weights = {name: share for name, share in get_trending_shares(parameters).items() if share}
    measurement = measure_trending(fit_windows(parameters), query_sets, weights, choice.normalization)
    return PlacementResult(TRENDING, PlacementWeights(weights), measurement.comparison), describe_trending(parameters)


def make_trending_queries(
    shop: ShopData, windows: Sequence[EvaluationWindow], sample: QuerySample
) -> list[EvaluationQueries]:
    """Return the purchases of each window as queries, limited to products that sold more in it than before.

    Products that sell as usual belong to the popular products; a list of trending products should contain those that rise.
    """
    query_sets = []
    for window in windows:
        is_rising = find_rising_items(window.past, window.future, days=WINDOW_DAYS, kind=shop.split.target)
        queries = query_purchases(window.weighted, window.future, sample, kind=shop.split.target)
        query_sets.append(queries.limit_relevant(is_rising))
    return query_sets


def build_trending_windows(shop: ShopData, choice: ModelChoice, *, start: float, stop: float) -> list[EvaluationWindow]:
    """Return up to MAX_WINDOWS weekly windows, each with popularity fitted on its past.

    A single window would not be enough: a list for everyone is right or wrong for all customers at once.
    """
    window_seconds = WINDOW_DAYS * DAY_SECONDS
    last = max(stop - window_seconds, start)
    windows = []
    for number in range(MAX_WINDOWS):
        window_start = start + number * window_seconds
        if window_start > last + 1.0:  # a second of tolerance for rounding
            break
        window = EvaluationWindow.from_interactions(
            shop.interactions,
            choice.event_weights,
            start=window_start,
            stop=min(window_start + window_seconds, stop),
        )
        popularity = fit_component(choice.components["popularity"], window.weighted, shop.products)
        windows.append(replace(window, components={"popularity": popularity}))
    return windows


def get_trending_shares(parameters: Mapping[str, Any]) -> dict[str, float]:
    """Return the shares of trending and popularity."""
    return {TRENDING: 1.0 - parameters["popularity"], "popularity": parameters["popularity"]}


def select_own_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of `Trending`, without the share of popularity."""
    return {name: value for name, value in parameters.items() if name != "popularity"}


def describe_trending_start() -> dict[str, Any]:
    """Return the algorithm and parameters of trending before it is tuned."""
    return describe_trending(TRENDING_START)


def describe_trending(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the algorithm and parameters of trending."""
    return {"algorithm": TRENDING, "parameters": select_own_parameters(parameters)}
