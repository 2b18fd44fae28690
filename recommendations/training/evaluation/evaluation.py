"""How what was chosen does on the last stretch of time, beside its parts, the baselines and the version that serves now."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.conf import settings

from recommendations.engine import Algorithm, Interactions, Products
from recommendations.engine.algorithms.ensembles.weighted_ensemble import Blend
from recommendations.engine.data.event_weights import USUAL, EventWeights
from recommendations.engine.evaluation import Evaluation, SegmentResult, by_segment, intervals, judge
from recommendations.engine.evaluation.exploration_cost import exploration_cost
from recommendations.engine.evaluation.runner import relevant_items
from recommendations.engine.tuning.ensemble_weights import without_each
from recommendations.training.data.time_split import Cuts
from recommendations.training.evaluation.new_products import measure_new_products
from recommendations.training.tuning.tuning import (
    AT,
    JUDGED_PEOPLE,
    PRIMARY,
    SEED,
    WEIGHTS_PEOPLE,
    Choice,
    Step,
    fit_one,
    number,
)

SEGMENT_METRICS = ("ndcg", "hit_rate")
SHOWN_AT = (5, 10, 20)


@dataclass(frozen=True, eq=False)
class Judgement:
    """cut_at: seconds since 1970; evaluation after it; served: which contestant is to serve; ablation: NDCG lost without each part; new_products as
    `measure_new_products` tells; parts: the components fitted on what came before the cut.
    """

    cut_at: float
    served: str
    evaluation: Evaluation
    segments: list[SegmentResult]
    ablation: list[dict[str, Any]]
    new_products: dict[str, Any]
    parts: dict[str, Algorithm] = field(default_factory=dict)


def judge_choice(
    *, cuts: Cuts, choice: Choice, products: Products, active: Mapping[str, Any] | None, step: Step
) -> Judgement:
    """The test part, scored once: nothing is chosen by it.

    active: the recipe of the version that serves now, fitted anew on the same past as "active".
    """
    fits = _Fits(cuts.test.train, products, step)
    parts = {name: fits.of(described, choice.weighing) for name, described in choice.components.items()}
    contestants = {name: part for name, part in parts.items() if name not in choice.others}
    served = served_name(choice.weights)
    if served == "blend":
        contestants["blend"] = Blend.of_fitted(parts, choice.weights, choice.normalisation)
    past, test = choice.weighing.of(cuts.test.train), some_of(cuts.test.test)
    evaluation = _judged(contestants, past, test, cuts, step)
    if active is not None:
        evaluation = _beside_active(evaluation, fits, active, past, test, cuts, step)
    step("judging", 0.8)
    segments = by_segment(evaluation, past, metrics=SEGMENT_METRICS, n=AT)
    ablation = _ablation(parts, choice, past, test, cuts)
    compared = {name: contestants[name] for name in ("content", served) if name in contestants}
    new_products = measure_new_products(contestants=compared, past=past, cuts=cuts, products=products)
    new_products["exploration"] = cost_of_exploration(evaluation, served)
    return Judgement(cuts.test.train.as_of, served, evaluation, segments, ablation, new_products, parts)


def cost_of_exploration(evaluation: Evaluation, served: str) -> dict[str, Any]:
    """What trying new products at every nth place, as is set now, costs at most."""
    share = settings.RECOMMEND_EXPLORATION_SHARE
    if not share:
        return {}
    every = round(1 / share)
    lost = exploration_cost(evaluation.rankings[served], evaluation.relevant, every=every, seed=SEED)
    return {
        "every": every,
        "at": evaluation.rankings[served].shape[1],
        "lost": number(lost.value),
        "low": finite(lost.low),
        "high": finite(lost.high),
    }


def served_name(weights: Mapping[str, float]) -> str:
    """Of a single algorithm all the weight is its own, and the others serve only the other scenarios."""
    used = [name for name, weight in weights.items() if weight > 0]
    return used[0] if len(used) == 1 else "blend"


def some_of(test: Interactions) -> Interactions:
    people = np.unique(test.user)
    if len(people) <= JUDGED_PEOPLE:
        return test
    chosen = np.random.default_rng(SEED).choice(people, JUDGED_PEOPLE, replace=False)
    return test.subset(np.isin(test.user, chosen))


class _Fits:
    """Algorithms fitted on the past of the test, each recipe once."""

    def __init__(self, train: Interactions, products: Products, step: Step) -> None:
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
            self.fitted[key] = fit_one(described, self.past(weighing), self.products)
        return self.fitted[key]


def _judged(
    contestants: Mapping[str, Algorithm], past: Interactions, test: Interactions, cuts: Cuts, step: Step
) -> Evaluation:
    step("judging", 0.7)
    return judge(
        algorithms=contestants,
        train=past,
        test=test,
        exclude_seen=cuts.exclude_seen,
        seen_kinds=cuts.seen_kinds,
        seed=SEED,
        ns=SHOWN_AT,
    )


def _beside_active(
    evaluation: Evaluation,
    fits: _Fits,
    recipe: Mapping[str, Any],
    past: Interactions,
    test: Interactions,
    cuts: Cuts,
    step: Step,
) -> Evaluation:
    """The evaluation with the version that serves now: it sees the past under its own weights, for the same people."""
    weighing = EventWeights(**recipe["weighing"]) if "weighing" in recipe else USUAL
    used = {name: weight for name, weight in recipe["weights"].items() if weight > 0}
    parts = {name: fits.of(recipe["components"][name], weighing) for name in used}
    active = Blend.of_fitted(parts, used, recipe["normalisation"])
    other = _judged({"active": active}, fits.past(weighing), test, cuts, step)
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


def _ablation(
    parts: Mapping[str, Algorithm], choice: Choice, past: Interactions, test: Interactions, cuts: Cuts
) -> list[dict[str, Any]]:
    """How much the blend loses without each of its parts, on at most so many people as its weights were chosen by."""
    if served_name(choice.weights) != "blend":
        return []
    people = np.unique(test.user)
    if len(people) > WEIGHTS_PEOPLE:
        people = np.sort(np.random.default_rng(SEED).choice(people, WEIGHTS_PEOPLE, replace=False))
    values = without_each(
        components=parts,
        weights=choice.weights,
        histories=past.histories(people),
        relevant=relevant_items(test, past, people, cuts.exclude_seen, cuts.seen_kinds),
        exclude_seen=cuts.exclude_seen,
        seen_kinds=cuts.seen_kinds,
        n=AT,
        normalisation=choice.normalisation,
    )
    found = []
    for name in (name for name in values if name):
        lost = intervals((values[""] - values[name])[:, None], seed=SEED)[0]
        found.append(
            {
                "without": name,
                "weight": choice.weights[name],
                "lost": number(lost.value),
                "low": finite(lost.low),
                "high": finite(lost.high),
            }
        )
    return sorted(found, key=lambda row: -(row["lost"] or 0.0))


def figures_of(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Algorithm → metric@n → value, low, high; and the seconds it took."""
    figures: dict[str, dict[str, Any]] = {name: {} for name in evaluation.scores}
    for result in evaluation.results:
        figures[result.algorithm][f"{result.metric}@{result.n}"] = {
            "value": finite(result.value),
            "low": finite(result.low),
            "high": finite(result.high),
        }
    for name, seconds in evaluation.recommend_s.items():
        figures[name]["recommend_s"] = round(seconds, 3)
    return figures


def comparisons_of(evaluation: Evaluation, *, winner: str) -> list[dict[str, Any]]:
    """The winner against each other one, on the same people."""
    found = []
    for other in evaluation.scores:
        if other != winner:
            interval = evaluation.difference(winner, other, PRIMARY, AT)
            found.append(
                {
                    "metric": f"{PRIMARY}@{AT}",
                    "first": winner,
                    "second": other,
                    "difference": finite(interval.value),
                    "low": finite(interval.low),
                    "high": finite(interval.high),
                }
            )
    return found


def segments_of(judgement: Judgement) -> list[dict[str, Any]]:
    return [
        {
            "segment": row.segment,
            "algorithm": row.algorithm,
            "metric": f"{row.metric}@{row.n}",
            "people": row.people,
            "value": finite(row.value),
            "low": finite(row.low),
            "high": finite(row.high),
        }
        for row in judgement.segments
    ]


def finite(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return None if value is None else number(value)
