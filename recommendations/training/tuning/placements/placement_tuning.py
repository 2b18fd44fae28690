"""Placement tuning: the weights of each placement, from the validation part."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recommendations.engine import Algorithm, Interactions
from recommendations.engine.evaluation import Split
from recommendations.engine.evaluation.evaluation_queries import QuerySample, query_next_viewed
from recommendations.engine.placements import SIMILAR, TRENDING
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.time_split import sample_users
from recommendations.training.evaluation.placement_data import EvaluationWindow, ShopData
from recommendations.training.evaluation.placement_evaluation import (
    MIN_CUSTOMERS,
    PLACEMENT_ALGORITHMS,
    PlacementEvaluator,
    PlacementWeights,
)
from recommendations.training.tuning.model_choice import SEED, ModelChoice, ReportStep, fit_component
from recommendations.training.tuning.placements.placement_result import (
    PlacementResult,
    VisitResult,
    make_default_placement,
)
from recommendations.training.tuning.placements.timed_step import PLACEMENT_ORDER, TimedPlacementStep
from recommendations.training.tuning.placements.trending_tuning import (
    build_trending_windows,
    describe_trending_start,
    tune_trending,
)
from recommendations.training.tuning.placements.visit_tuning import tune_visit
from recommendations.training.tuning.tuning_session import TUNING_INTERACTIONS

# shares of the training's time budget
TUNING_TIME_SHARE = 0.17
FITTING_TIME_SHARE = 0.06  # for fitting on everything before the validation part; otherwise on a sample of users
EXTRA_PARTS_TIME_SHARE = 0.05  # for fitting twice a component that for-you does not need; slower ones are not used


@dataclass(frozen=True, eq=False)
class TunedPlacements:
    """Placements tuned on the validation part.

    choice: with the extra components placements need; has_late_visits: visits begin only after the validation part. visit: None if
    there are too few visits to learn from. earlier: the stored results of the active version.
    """

    placements: dict[str, PlacementResult]
    choice: ModelChoice
    has_late_visits: bool = False
    visit: VisitResult | None = None
    earlier: Mapping[str, Any] = field(default_factory=dict)


def tune_placements(
    *,
    shop: ShopData,
    choice: ModelChoice,
    budget: TrainingBudget,
    step: ReportStep,
    earlier: Mapping[str, Any] | None = None,
) -> TunedPlacements:
    """Tune the weights of all placements on the validation part. earlier: the stored results of the active version.

    Raises whatever ``step`` raises.
    """
    return _PlacementTuner(shop, choice, budget, step, earlier or {}).run()


class _PlacementTuner(TimedPlacementStep):
    share = TUNING_TIME_SHARE
    visit: VisitResult | None = None

    def __init__(
        self,
        shop: ShopData,
        choice: ModelChoice,
        budget: TrainingBudget,
        step: ReportStep,
        earlier: Mapping[str, Any],
    ) -> None:
        super().__init__(shop, choice, budget, step)
        self.earlier = earlier

    def run(self) -> TunedPlacements:
        """Tune all placements in order."""
        validation, test = self.shop.split.validation, self.shop.split.test
        start, stop = validation.train.as_of, test.train.as_of
        self.all_components = {**self.choice.unused, **self.choice.components, TRENDING: describe_trending_start()}
        part = self.sample_split()
        interactions = self.select_interactions(part)
        window = EvaluationWindow.from_interactions(interactions, self.choice.event_weights, start=start, stop=stop)
        # The model was tuned with components that are fitted on the same sample.
        fitted = {} if part is validation else self.choice.fitted
        window = replace(window, components=self.fit_components(window, fitted))
        evaluator = PlacementEvaluator(self.shop, self.choice, window, self.tuning_sample)
        # For example, a shop that has just installed tracking has views in the test part only.
        has_late_visits = has_enough_visits(self.shop, self.test_sample, start=stop) and not evaluator.has_views
        for name in PLACEMENT_ORDER:
            is_tuned = name in PLACEMENT_ALGORITHMS and not (name == SIMILAR and has_late_visits)
            if is_tuned and self.has_time(0.59):
                self.placements[name] = self.tune_placement(name, evaluator)
            else:
                self.placements[name] = self.make_untuned_placement(name, window.components)
            if name == SIMILAR and (placement_weights := self.placements[name].weights) is not None:
                evaluator.similar_weights = placement_weights.weights
        self.placements[TRENDING] = self.tune_trending(start=start, stop=stop)
        if self.has_time(0.59):
            self.visit = tune_visit(evaluator, interactions, start=start, stop=stop)
        choice = self.choice.with_extra(self.select_extra(has_late_visits))
        return TunedPlacements(self.placements, choice, has_late_visits, self.visit, self.earlier)

    def tune_trending(self, *, start: float, stop: float) -> PlacementResult:
        """Return trending with tuned parameters, which its component gets too; if there is no time, with the start parameters."""
        if not self.has_time(0.57):
            return make_default_placement(TRENDING, {TRENDING})
        placement, self.all_components[TRENDING] = tune_trending(
            shop=self.shop,
            choice=self.choice,
            windows=build_trending_windows(self.shop, self.choice, start=start, stop=stop),
            sample=self.tuning_sample,
            budget=self.budget,
            step=self.step,
        )
        return placement

    def make_untuned_placement(self, name: str, components: Collection[str]) -> PlacementResult:
        """Return a placement with the weights of the active version, if they were evaluated, or with its default weights.

        The test evaluates it like any other.
        """
        earlier = self.earlier.get(name) or {}
        if earlier.get("is_judged") and set(earlier["weights"]) <= set(components):
            return PlacementResult(name, PlacementWeights(dict(earlier["weights"])))
        return make_default_placement(name, components)

    def tune_placement(self, name: str, evaluator: PlacementEvaluator) -> PlacementResult:
        """Return a placement with tuned weights, or defaults if there are too few queries."""
        placement_weights = evaluator.tune_weights(name)
        if placement_weights is None:
            return make_default_placement(name, evaluator.components)
        return PlacementResult(name, placement_weights, evaluator.measure(name, placement_weights).comparison)

    def list_components(self) -> list[str]:
        """Return the names of the components to use for tuning."""
        usable = {part for parts in PLACEMENT_ALGORITHMS.values() for part in parts}
        return [
            name
            for name in self.all_components
            if self.choice.weights.get(name)
            or name == "popularity"
            or (name in usable and (name in self.choice.components or self.is_cheap(name)))
        ]

    def is_cheap(self, name: str) -> bool:
        """Return whether a component can be fitted twice more: for the test and for serving."""
        return 2 * self.choice.fit_seconds.get(name, 0.0) <= EXTRA_PARTS_TIME_SHARE * self.budget.seconds

    def sample_split(self) -> Split:
        """Return the validation split of all users, or of a sample if fitting on all takes too long."""
        whole = self.shop.split.validation
        seconds = sum(self.choice.fit_seconds.get(name, 0.0) for name in self.list_components())
        if seconds <= FITTING_TIME_SHARE * self.budget.seconds:
            return whole
        return sample_users(whole, n_interactions=TUNING_INTERACTIONS, max_evaluated=1, seed=SEED)[0]

    def select_interactions(self, part: Split) -> Interactions:
        """Return the interactions of the users in a part of the validation split."""
        if part is self.shop.split.validation:
            return self.shop.interactions
        is_in_part = np.bincount(part.train.user, minlength=part.train.n_users) > 0
        return self.shop.interactions.select(is_in_part[self.shop.interactions.user])

    def fit_components(self, window: EvaluationWindow, fitted: Mapping[str, Algorithm]) -> dict[str, Algorithm]:
        """Return the components fitted on the past of the window. fitted: those that are fitted already."""
        components = {}
        for name in self.list_components():
            self.step("places", 0.58)
            present = fitted.get(name)
            components[name] = (
                present
                if present is not None
                else fit_component(self.all_components[name], window.weighted, self.shop.products)
            )
        return components

    def select_extra(self, has_late_visits: bool) -> dict[str, dict[str, Any]]:
        """Return the extra components that placements use, or may use if visits come late."""
        needed = {
            part for placement in self.placements.values() if placement.weights for part in placement.weights.weights
        }
        # A placement that this training has no time to evaluate keeps the weights of the active version.
        needed |= {part for name in self.placements for part in self.list_earlier_parts(name) if self.is_cheap(part)}
        if self.visit is not None:
            needed |= set(self.visit.weights.weights)
        if has_late_visits:
            needed |= {name for name in PLACEMENT_ALGORITHMS[SIMILAR] if self.is_cheap(name)}
        return {name: self.all_components[name] for name in sorted(needed) if name in self.all_components}

    def list_earlier_parts(self, name: str) -> list[str]:
        """Return the components of a placement in the active version, if an evaluation decided about it."""
        earlier = self.earlier.get(name) or {}
        return [*earlier["weights"]] if earlier.get("is_judged") else []


def has_enough_visits(shop: ShopData, sample: QuerySample, *, start: float) -> bool:
    """Return whether half of the visits are enough to tune and the other half to evaluate."""
    return query_next_viewed(shop.interactions.after(start), sample).n_users >= 2 * MIN_CUSTOMERS
