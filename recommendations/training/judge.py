"""How the candidates do on a cut in time, and which of them deserves to serve."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommendations.engine import ALGORITHMS, Algorithm, Interactions, Products
from recommendations.engine.algorithms.blend import Blend
from recommendations.engine.blend_search import ChosenWeights, choose_weights
from recommendations.engine.evaluation import Evaluation, cut_in_time, judge

DAY = 86_400.0
HORIZON_DAYS = 28.0
REPEATS_FROM_SHARE = 0.2
PRIMARY, AT = "ndcg", 10
SEED = 20261124


@dataclass(frozen=True, eq=False)
class Judgement:
    """cut_at: seconds since 1970; weights of the blend chosen before the cut; evaluation after it; winner by the primary metric."""

    cut_at: float
    exclude_seen: bool
    repeat_share: float
    chosen: ChosenWeights
    evaluation: Evaluation
    winner: str


def judge_components(
    *,
    interactions: Interactions,
    products: Products,
    components: dict[str, dict[str, Any]],
    active: dict[str, Any] | None,
    step: Callable[[str], None],
) -> Judgement:
    """Weights from a validation part of the last but one stretch of time, figures from the last stretch.

    active: components and weights of the version that serves now, fitted anew on the same past as "active".
    """
    horizon = horizon_days(interactions) * DAY
    end = interactions.as_of
    step("choosing weights")
    validation = cut_in_time(interactions, at=end - 2 * horizon, until=end - horizon)
    share = repeat_share(validation.train, validation.test)
    exclude_seen = share < REPEATS_FROM_SHARE
    fitted = fit_all(components, validation.train, products)
    chosen = choose_weights(
        components=fitted, train=validation.train, validation=validation.test, exclude_seen=exclude_seen, seed=SEED
    )
    step("evaluating")
    test = cut_in_time(interactions, at=end - horizon)
    contestants: dict[str, Algorithm] = fit_all(components, test.train, products)
    contestants["blend"] = Blend.of_fitted(dict(contestants), chosen.weights)
    if active is not None:
        contestants["active"] = Blend(active["components"], active["weights"], active["normalisation"]).fit(
            test.train, products
        )
    evaluation = judge(algorithms=contestants, train=test.train, test=test.test, exclude_seen=exclude_seen, seed=SEED)
    own = [name for name in contestants if name != "active"]
    winner = max(own, key=lambda name: (evaluation.value(name, PRIMARY, AT).value, name != "blend"))
    return Judgement(end - horizon, exclude_seen, share, chosen, evaluation, winner)


def horizon_days(interactions: Interactions) -> float:
    """Four weeks, or a seventh of the time that there is, whichever is shorter."""
    span = (interactions.as_of - float(interactions.order.min())) / DAY
    return min(HORIZON_DAYS, span / 7)


def repeat_share(past: Interactions, later: Interactions) -> float:
    """Which share of the later (person, product) pairs was there before: decides whether a shop's customers buy again."""
    then, now = past.user_items() > 0, later.user_items() > 0
    return float(now.multiply(then).nnz / now.nnz) if now.nnz else 0.0


def fit_all(
    components: dict[str, dict[str, Any]], interactions: Interactions, products: Products
) -> dict[str, Algorithm]:
    return {
        name: ALGORITHMS[described["algorithm"]](**described["parameters"]).fit(interactions, products)
        for name, described in components.items()
    }


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


def finite(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
