"""Placement tuning: weights of each placement from the validation part, and whether it beats its fallback on the test part."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recommendations.engine import KIND_CODES, Algorithm, Interactions
from recommendations.engine.algorithms.popularity.trending import Trending
from recommendations.engine.evaluation import Split
from recommendations.engine.evaluation.evaluation_queries import QuerySample, query_next_viewed, query_purchases
from recommendations.engine.evaluation.placement_evaluation import (
    METRICS,
    compare_scores,
    find_best_shares,
)
from recommendations.engine.placements import (
    BOUGHT_TOGETHER,
    BUY_AGAIN,
    CART,
    CATEGORIES,
    FOR_YOU,
    NEW,
    PLACEMENTS,
    POPULAR,
    RECENTLY_VIEWED,
    SIMILAR,
    TRENDING,
)
from recommendations.engine.tuning.parameter_search import search_parameters
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.time_split import DAY_SECONDS, sample_customers
from recommendations.training.evaluation.evaluation import ModelEvaluation
from recommendations.training.evaluation.placement_evaluation import (
    MIN_CUSTOMERS,
    PLACEMENT_ALGORITHMS,
    RANK,
    EvaluationWindow,
    PlacementEvaluator,
    PlacementMeasurement,
    PlacementWeights,
    ShopData,
    measure_trending,
    score_without_history,
)
from recommendations.training.evaluation.promotion_criteria import Reason, make_reason
from recommendations.training.tuning.model_choice import (
    SEED,
    TOP_N,
    ModelChoice,
    ReportStep,
    fit_component,
)
from recommendations.training.tuning.placement_result import PlacementResult, make_default_placement
from recommendations.training.tuning.tuning import TUNING_INTERACTIONS

TUNING_TIME_SHARE, EVALUATION_TIME_SHARE = 0.14, 0.06  # of the training's time budget
FITTING_TIME_SHARE = 0.06  # for fitting on everything before the validation part; otherwise on a sample of customers
EXTRA_PARTS_TIME_SHARE = 0.05  # for fitting twice a component that for-you does not need; slower ones are not used
TRENDING_TIME_SHARE = 0.03  # for the parameters of trending
MAX_TUNING_CELLS, MAX_EVALUATION_CELLS = 30_000_000, 60_000_000  # queries × products scored
WINDOW_DAYS, MAX_WINDOWS = 7.0, 4
# similar first, because it is the fallback of bought-together; then the cheap ones
PLACEMENT_ORDER = (SIMILAR, RECENTLY_VIEWED, NEW, CART, BOUGHT_TOGETHER, BUY_AGAIN, CATEGORIES, RANK)
TRENDING_SPACE: dict[str, tuple[Any, ...]] = {
    "popularity": (0.0, 0.1, 0.2, 0.35, 0.5),  # its share: never more than trending itself
    "level": (0.0, 0.25, 0.5, 1.0),
    "window_days": (3.0, 7.0, 14.0, 28.0),
    "shrinkage": (1.0, 3.0, 10.0, 30.0),
    "half_life_days": (28.0, 56.0, 90.0, None),
}
TRENDING_START = {"popularity": 0.2, "level": 0.5, "window_days": 7.0, "shrinkage": 3.0, "half_life_days": 56.0}


@dataclass(frozen=True, eq=False)
class TunedPlacements:
    """Placements tuned on the validation part.

    choice: with the extra components placements need; has_late_visits: visits begin only after the validation part.
    """

    placements: dict[str, PlacementResult]
    choice: ModelChoice
    has_late_visits: bool = False


def tune_placements(
    *, shop: ShopData, choice: ModelChoice, budget: TrainingBudget, step: ReportStep
) -> TunedPlacements:
    """Tune the weights of all placements on the validation part. Raises whatever ``step`` raises."""
    return _PlacementTuner(shop, choice, budget, step).run()


def evaluate_placements(
    *,
    shop: ShopData,
    chosen: TunedPlacements,
    model_evaluation: ModelEvaluation,
    budget: TrainingBudget,
    step: ReportStep,
) -> tuple[dict[str, PlacementResult], ModelChoice]:
    """Evaluate the placements once on the test part; drop extra components that no active placement needs."""
    placements = _PlacementTester(shop, chosen, model_evaluation, budget, step).run()
    needed = {
        part for place in placements.values() if place.weights and place.decide()[0] for part in place.weights.weights
    }
    extra = chosen.choice.extra
    return placements, chosen.choice.with_extra({name: extra[name] for name in extra if name in needed})


class _TimedPlacementStep:
    """A tuning or evaluation step with its own share of the time budget."""

    share: float

    def __init__(self, shop: ShopData, choice: ModelChoice, budget: TrainingBudget, step: ReportStep) -> None:
        self.shop, self.choice, self.budget, self.step = shop, choice, budget, step
        self.end = budget.get_elapsed() + self.share * budget.seconds
        self.placements: dict[str, PlacementResult] = {}
        n_items = shop.interactions.n_items
        self.tuning_draw = QuerySample.of_cells(MAX_TUNING_CELLS, n_items, people=400, each=2, seed=SEED)
        self.evaluation_draw = QuerySample.of_cells(MAX_EVALUATION_CELLS, n_items, people=1500, each=3, seed=SEED)

    def has_time(self, share: float) -> bool:
        """Report progress and return whether there is time left."""
        self.step("places", share)
        return self.budget.get_elapsed() < self.end

    def select_interactions(self, part: Split, whole: Split) -> Interactions:
        """Return the interactions of the customers in a part of the split."""
        if part is whole:
            return self.shop.interactions
        people = np.bincount(part.train.user, minlength=part.train.n_users) > 0
        return self.shop.interactions.subset(people[self.shop.interactions.user])


class _PlacementTuner(_TimedPlacementStep):
    share = TUNING_TIME_SHARE

    def run(self) -> TunedPlacements:
        """Tune all placements in order."""
        time_split = self.shop.split
        at, until = time_split.validation.train.as_of, time_split.test.train.as_of
        self.descriptions = {**self.choice.unused, **self.choice.components}
        self.placements[TRENDING], self.descriptions[TRENDING] = self.evaluate_trending(at, until)
        part = self.sample_split()
        interactions = self.select_interactions(part, time_split.validation)
        window = EvaluationWindow.of(interactions, self.choice.event_weights, at=at, until=until)
        window = replace(window, components=self.fit_components(window))
        evaluator = PlacementEvaluator(self.shop, self.choice, window, self.tuning_draw)
        late = has_enough_visits(self.shop, self.evaluation_draw, at=until) and not evaluator.has_views
        for name in PLACEMENT_ORDER:
            if not self.has_time(0.59):
                self.placements[name] = replace(
                    make_default_placement(name, window.components), fixed_reason=make_reason("place_no_time")
                )
            elif name == SIMILAR and late:
                self.placements[name] = make_default_placement(name, window.components)
            else:
                self.placements[name] = self.tune_placement(name, evaluator)
            if name == SIMILAR and (placement_weights := self.placements[name].weights) is not None:
                evaluator.similar_weights = placement_weights.weights
        return TunedPlacements(self.placements, self.choice.with_extra(self.select_extra(late)), late)

    def tune_placement(self, name: str, evaluator: PlacementEvaluator) -> PlacementResult:
        """Return a placement with tuned weights, or defaults if there are too few queries."""
        placement_weights = evaluator.weigh(name)
        if placement_weights is None:
            return make_default_placement(name, evaluator.components)
        return PlacementResult(name, placement_weights, evaluator.measure(name, placement_weights).comparison)

    def list_components(self) -> list[str]:
        """Return the names of the components to fit for tuning."""
        usable = {part for parts in PLACEMENT_ALGORITHMS.values() for part in parts} | {TRENDING}
        return [
            name
            for name in self.descriptions
            if self.choice.weights.get(name)
            or name == "popularity"
            or (name in usable and (name in self.choice.components or self.is_cheap(name)))
        ]

    def is_cheap(self, name: str) -> bool:
        """Return whether a component can be fitted twice more: for the test and for serving."""
        return 2 * self.choice.fit_seconds.get(name, 0.0) <= EXTRA_PARTS_TIME_SHARE * self.budget.seconds

    def sample_split(self) -> Split:
        """Return all customers, or a sample if fitting on all takes too long."""
        whole = self.shop.split.validation
        if (
            sum(self.choice.fit_seconds.get(name, 0.0) for name in self.list_components())
            <= FITTING_TIME_SHARE * self.budget.seconds
        ):
            return whole
        return sample_customers(whole, lines=TUNING_INTERACTIONS, people=1, seed=SEED)[0]

    def fit_components(self, window: EvaluationWindow) -> dict[str, Algorithm]:
        """Return the components fitted on the past of the window."""
        found = {}
        for name in self.list_components():
            self.step("places", 0.58)
            found[name] = fit_component(self.descriptions[name], window.weighed, self.shop.products)
        return found

    def select_extra(self, late: bool) -> dict[str, dict[str, Any]]:
        """Return the extra components that placements use, or may use if visits come late."""
        needed = {part for place in self.placements.values() if place.weights for part in place.weights.weights}
        if late:
            needed |= {name for name in PLACEMENT_ALGORITHMS[SIMILAR] if self.is_cheap(name)}
        return {name: self.descriptions[name] for name in sorted(needed) if name in self.descriptions}

    def evaluate_trending(self, at: float, until: float) -> tuple[PlacementResult, dict[str, Any]]:
        """Tune the parameters of trending and its share of popularity over several windows."""
        windows = self.list_trending_windows(at=at, until=until)
        query_sets = [
            query_purchases(one.weighed, one.future, self.tuning_draw, kind=self.shop.split.target) for one in windows
        ]

        def of(parameters: Mapping[str, Any]) -> list[EvaluationWindow]:
            given = {name: value for name, value in parameters.items() if name != "popularity"}
            return [
                replace(one, components={**one.components, TRENDING: Trending(**given).fit(one.weighed)})
                for one in windows
            ]

        def evaluate(parameters: dict[str, Any]) -> float:
            self.step("places", 0.57)
            scores = [
                {name: score_without_history(part) for name, part in one.components.items()} for one in of(parameters)
            ]
            return find_best_shares(
                scores, query_sets, shares=[get_trending_shares(parameters)], normalization=self.choice.normalization
            )[1]

        if sum(one.n_users for one in query_sets) < MIN_CUSTOMERS:
            return PlacementResult(TRENDING, PlacementWeights({TRENDING: 1.0})), describe_trending(TRENDING_START)
        budget_s = TRENDING_TIME_SHARE * self.budget.seconds
        found = search_parameters(
            space=TRENDING_SPACE,
            evaluate=evaluate,
            budget_s=budget_s,
            seed=SEED,
            start=TRENDING_START,
            patience=5,
            clock=self.budget.clock,
        ).best.parameters
        placement_weights = PlacementWeights(
            {name: share for name, share in get_trending_shares(found).items() if share}
        )
        judged = measure_trending(
            of(found), query_sets, placement_weights.weights, self.choice.normalization
        ).comparison
        return PlacementResult(TRENDING, placement_weights, judged), describe_trending(found)

    def list_trending_windows(self, *, at: float, until: float) -> list[EvaluationWindow]:
        return build_trending_windows(self.shop, self.choice, at=at, until=until)


class _PlacementTester(_TimedPlacementStep):
    share = EVALUATION_TIME_SHARE

    def __init__(
        self,
        shop: ShopData,
        chosen: TunedPlacements,
        model_evaluation: ModelEvaluation,
        budget: TrainingBudget,
        step: ReportStep,
    ) -> None:
        super().__init__(shop, chosen.choice, budget, step)
        self.tuned, self.model_evaluation, self.placements = chosen, model_evaluation, dict(chosen.placements)

    def run(self) -> dict[str, PlacementResult]:
        """Evaluate all placements in order."""
        at = self.shop.split.test.train.as_of
        window = EvaluationWindow.of(
            self.shop.interactions,
            self.choice.event_weights,
            at=at,
            until=np.inf,
            components=self.model_evaluation.components,
        )
        evaluator = PlacementEvaluator(self.shop, self.choice, window, self.evaluation_draw)
        if self.tuned.has_late_visits and self.has_time(0.84):
            self.placements[SIMILAR], evaluator.window = self.split_late_visits(window)
        for name in PLACEMENT_ORDER:
            place = self.placements[name]
            if place.fixed_reason is None and place.weights is not None:
                self.placements[name] = (
                    replace(place, measurement=evaluator.measure(name, place.weights))
                    if self.has_time(0.84)
                    else replace(place, fixed_reason=make_reason("place_no_time"))
                )
            if name == SIMILAR:
                evaluator = PlacementEvaluator(self.shop, self.choice, window, self.evaluation_draw)
                placement_weights = self.placements[name].weights
                evaluator.similar_weights = placement_weights.weights if placement_weights is not None else {}
        self.placements[TRENDING] = self.evaluate_trending(at)
        self.placements[FOR_YOU] = self.compare_with_popularity(
            FOR_YOU, self.model_evaluation.served, make_reason("place_promotion")
        )
        self.placements[POPULAR] = self.compare_with_popularity(POPULAR, "popularity", make_reason("place_floor"))
        return {name: self.placements[name] for name in (*PLACEMENTS, RANK)}

    def split_late_visits(self, window: EvaluationWindow) -> tuple[PlacementResult, EvaluationWindow]:
        """Tune `similar` on the first half of visits that begin after the validation part; the second half evaluates it."""
        viewed = window.future.order[np.isin(window.future.kind, [KIND_CODES["view"], KIND_CODES["click"]])]
        half = float(np.median(viewed))
        early = replace(window, future=window.future.subset(window.future.order < half))
        evaluator = PlacementEvaluator(self.shop, self.choice, early, self.tuning_draw)
        placement_weights = evaluator.weigh(SIMILAR) if evaluator.has_views else None
        if placement_weights is None:
            return self.placements[SIMILAR], window
        place = PlacementResult(SIMILAR, placement_weights, evaluator.measure(SIMILAR, placement_weights).comparison)
        return place, replace(window, future=window.future.subset(window.future.order >= half))

    def evaluate_trending(self, at: float) -> PlacementResult:
        """Evaluate trending over several windows."""
        place = self.placements[TRENDING]
        if place.weights is None or not self.has_time(0.84):
            return replace(place, fixed_reason=make_reason("place_no_time"))
        described = self.choice.components[TRENDING]
        windows = [
            replace(
                one, components={**one.components, TRENDING: fit_component(described, one.weighed, self.shop.products)}
            )
            for one in build_trending_windows(self.shop, self.choice, at=at, until=self.shop.interactions.as_of)
        ]
        query_sets = [
            query_purchases(one.weighed, one.future, self.evaluation_draw, kind=self.shop.split.target)
            for one in windows
        ]
        if not sum(one.n_users for one in query_sets):
            return place
        return replace(
            place, measurement=measure_trending(windows, query_sets, place.weights.weights, self.choice.normalization)
        )

    def compare_with_popularity(self, name: str, served: str, why: Reason) -> PlacementResult:
        """Return a placement evaluated as the whole version was, against popularity."""
        evaluation = self.model_evaluation.evaluation
        scores = {
            one: {metric: evaluation.scores[one][metric, TOP_N] for metric in METRICS} for one in {served, "popularity"}
        }
        judged = compare_scores(scores[served], scores["popularity"], evaluation.users, seed=SEED)
        weights = {part: share for part, share in self.choice.weights.items() if share}
        placement_weights = PlacementWeights(weights if name == FOR_YOU else {"popularity": 1.0})
        return PlacementResult(
            name, placement_weights, measurement=PlacementMeasurement("horizon", judged), fixed_reason=why
        )


def build_trending_windows(shop: ShopData, choice: ModelChoice, *, at: float, until: float) -> list[EvaluationWindow]:
    """Return up to four weekly windows, each with popularity fitted on its past."""
    last = max(until - WINDOW_DAYS * DAY_SECONDS, at)
    moments = [at + number * WINDOW_DAYS * DAY_SECONDS for number in range(MAX_WINDOWS)]
    found = []
    for moment in [one for one in moments if one <= last + 1.0]:
        window = EvaluationWindow.of(
            shop.interactions, choice.event_weights, at=moment, until=min(moment + WINDOW_DAYS * DAY_SECONDS, until)
        )
        parts = {"popularity": fit_component(choice.components["popularity"], window.weighed, shop.products)}
        found.append(replace(window, components=parts))
    return found


def get_trending_shares(parameters: Mapping[str, Any]) -> dict[str, float]:
    """Return the shares of trending and popularity."""
    return {TRENDING: 1.0 - parameters["popularity"], "popularity": parameters["popularity"]}


def describe_trending(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the algorithm and parameters of trending."""
    given = {name: value for name, value in parameters.items() if name != "popularity"}
    return {"algorithm": TRENDING, "parameters": given}


def has_enough_visits(shop: ShopData, draw: QuerySample, *, at: float) -> bool:
    """Return whether half of the visits are enough to tune and the other half to evaluate."""
    return query_next_viewed(shop.interactions.after(at), draw).n_users >= 2 * MIN_CUSTOMERS
