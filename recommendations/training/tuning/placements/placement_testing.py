"""Test of tuned placements: whether each beats its fallback on the test part."""

from dataclasses import replace

import numpy as np

from recommendations.engine import KIND_CODES
from recommendations.engine.evaluation.evaluation_queries import QuerySample
from recommendations.engine.evaluation.placement_evaluation import METRICS, compare_scores
from recommendations.engine.placements import FOR_YOU, PLACEMENTS, POPULAR, SIMILAR, TRENDING
from recommendations.training.budget import TrainingBudget
from recommendations.training.evaluation.evaluation import ModelEvaluation
from recommendations.training.evaluation.placement_data import EvaluationWindow, ShopData
from recommendations.training.evaluation.placement_evaluation import (
    RANK,
    PlacementEvaluator,
    PlacementMeasurement,
    PlacementWeights,
)
from recommendations.training.evaluation.promotion_criteria import Reason, make_reason
from recommendations.training.evaluation.trending_evaluation import measure_trending
from recommendations.training.tuning.model_choice import SEED, TOP_N, ModelChoice, ReportStep, fit_component
from recommendations.training.tuning.placements.placement_result import FACTUAL_PLACEMENTS, PlacementResult
from recommendations.training.tuning.placements.placement_tuning import TunedPlacements
from recommendations.training.tuning.placements.timed_step import PLACEMENT_ORDER, TimedPlacementStep
from recommendations.training.tuning.placements.trending_tuning import build_trending_windows, make_trending_queries
from recommendations.training.tuning.placements.visit_tuning import evaluate_visit

EVALUATION_TIME_SHARE = 0.13  # of the training's time budget


def evaluate_placements(
    *,
    shop: ShopData,
    tuned: TunedPlacements,
    model_evaluation: ModelEvaluation,
    budget: TrainingBudget,
    step: ReportStep,
) -> tuple[dict[str, PlacementResult], ModelChoice]:
    """Evaluate the placements once on the test part.

    Drop extra components that no active placement needs.
    """
    placements = _PlacementTester(shop, tuned, model_evaluation, budget, step).run()
    needed = {
        part
        for placement in placements.values()
        if placement.weights and placement.decide()[0]
        for part in placement.weights.weights
    }
    if tuned.visit is not None:
        needed |= set(tuned.visit.weights.weights)
    extra = tuned.choice.extra
    return placements, tuned.choice.with_extra({name: extra[name] for name in extra if name in needed})


class _PlacementTester(TimedPlacementStep):
    share = EVALUATION_TIME_SHARE

    def __init__(
        self,
        shop: ShopData,
        tuned: TunedPlacements,
        model_evaluation: ModelEvaluation,
        budget: TrainingBudget,
        step: ReportStep,
    ) -> None:
        super().__init__(shop, tuned.choice, budget, step)
        self.tuned, self.model_evaluation, self.placements = tuned, model_evaluation, dict(tuned.placements)

    def run(self) -> dict[str, PlacementResult]:
        """Evaluate all placements in order."""
        start = self.shop.split.test.train.as_of
        window = EvaluationWindow.from_interactions(
            self.shop.interactions,
            self.choice.event_weights,
            start=start,
            stop=np.inf,
            components=self.model_evaluation.components,
        )
        evaluator = PlacementEvaluator(self.shop, self.choice, window, self.test_sample)
        if self.tuned.has_late_visits and self.has_time(0.84):
            self.placements[SIMILAR], evaluator.window = self.split_late_visits(window)
        for name in PLACEMENT_ORDER:
            if name == RANK:  # before those that are active anyway
                self.placements[TRENDING] = self.evaluate_trending(start)
            placement = self.placements[name]
            if placement.fixed_reason is None and placement.weights is not None:
                sample = self.choose_sample(name)
                if sample is None:
                    self.placements[name] = replace(placement, fixed_reason=make_reason("place_no_time"))
                else:
                    evaluator.sample = sample
                    self.placements[name] = replace(placement, measurement=evaluator.measure(name, placement.weights))
            if name == SIMILAR:
                # A fresh evaluator: that of `similar` may be limited to the later half of the visits.
                evaluator = PlacementEvaluator(self.shop, self.choice, window, self.test_sample)
                similar = self.placements[name].weights
                evaluator.similar_weights = similar.weights if similar is not None else {}
        for_you = self.compare_with_popularity(FOR_YOU, self.model_evaluation.served, make_reason("place_promotion"))
        visit = self.tuned.visit
        if visit is not None and self.has_time(0.84):
            visit = evaluate_visit(evaluator, visit, self.shop.interactions, start=start)
        self.placements[FOR_YOU] = replace(for_you, visit=visit)
        self.placements[POPULAR] = self.compare_with_popularity(POPULAR, "popularity", make_reason("place_floor"))
        earlier, components = self.tuned.earlier, self.choice.components
        return {name: self.placements[name].with_earlier(earlier.get(name), components) for name in (*PLACEMENTS, RANK)}

    def choose_sample(self, name: str) -> QuerySample | None:
        """Return the sample to evaluate a placement on; None if it is not evaluated.

        Without time, a placement keeps the decision of the active version. One about which nothing was decided yet would be off, and
        the first training is the shortest one: so it is evaluated on a smaller sample.
        """
        if self.has_time(0.84):
            return self.test_sample
        is_decided = name in FACTUAL_PLACEMENTS or bool((self.tuned.earlier.get(name) or {}).get("is_judged"))
        return None if is_decided else self.late_sample

    def split_late_visits(self, window: EvaluationWindow) -> tuple[PlacementResult, EvaluationWindow]:
        """Tune `similar` on the first half of visits that begin after the validation part.

        The second half evaluates it.
        """
        future = window.future
        viewed_at = future.order[np.isin(future.kind, [KIND_CODES["view"], KIND_CODES["click"]])]
        middle = float(np.median(viewed_at))
        early = replace(window, future=future.select(future.order < middle))
        evaluator = PlacementEvaluator(self.shop, self.choice, early, self.tuning_sample)
        placement_weights = evaluator.tune_weights(SIMILAR) if evaluator.has_views else None
        if placement_weights is None:
            return self.placements[SIMILAR], window
        validation = evaluator.measure(SIMILAR, placement_weights).comparison
        late = replace(window, future=future.select(future.order >= middle))
        return PlacementResult(SIMILAR, placement_weights, validation), late

    def evaluate_trending(self, start: float) -> PlacementResult:
        """Evaluate trending over several windows."""
        placement, shop = self.placements[TRENDING], self.shop
        sample = self.choose_sample(TRENDING)
        if placement.fixed_reason is not None or placement.weights is None or sample is None:
            return replace(placement, fixed_reason=make_reason("place_no_time"))
        component = self.choice.components[TRENDING]
        windows = [
            replace(
                window,
                components={**window.components, TRENDING: fit_component(component, window.weighted, shop.products)},
            )
            for window in build_trending_windows(shop, self.choice, start=start, stop=shop.interactions.as_of)
        ]
        query_sets = make_trending_queries(shop, windows, sample)
        if not sum(queries.n_users for queries in query_sets):
            return placement
        weights, normalization = placement.weights.weights, self.choice.normalization
        return replace(placement, measurement=measure_trending(windows, query_sets, weights, normalization))

    def compare_with_popularity(self, name: str, served: str, reason: Reason) -> PlacementResult:
        """Return a placement evaluated as the whole version was, against popularity."""
        evaluation = self.model_evaluation.evaluation
        scores = {
            algorithm: {metric: evaluation.scores[algorithm][metric, TOP_N] for metric in METRICS}
            for algorithm in {served, "popularity"}
        }
        comparison = compare_scores(scores[served], scores["popularity"], evaluation.users, seed=SEED)
        weights = {part: share for part, share in self.choice.weights.items() if share}
        placement_weights = PlacementWeights(weights if name == FOR_YOU else {"popularity": 1.0})
        return PlacementResult(
            name, placement_weights, measurement=PlacementMeasurement("horizon", comparison), fixed_reason=reason
        )
