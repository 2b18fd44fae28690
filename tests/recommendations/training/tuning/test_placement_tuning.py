"""Places of a shop made so that the answers are known."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, IdMap, Interactions, Products
from recommendations.engine.evaluation import ConfidenceInterval
from recommendations.engine.evaluation.placement_evaluation import QueryScores
from recommendations.engine.placements import PLACEMENTS
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.time_split import split_by_time
from recommendations.training.evaluation.evaluation import evaluate_choice
from recommendations.training.evaluation.placement_evaluation import (
    RANK,
    PlacementMeasurement,
    PlacementWeights,
    ShopData,
)
from recommendations.training.evaluation.promotion_criteria import make_reason
from recommendations.training.train import make_default_choice
from recommendations.training.tuning.model_choice import ModelChoice
from recommendations.training.tuning.placement_result import PlacementResult, make_default_placements
from recommendations.training.tuning.placement_tuning import evaluate_placements, tune_placements
from recommendations.training.tuning.tuning import tune_model

DAY = 86_400.0
PEOPLE, PAIRS, DAYS = 80, 20, 140
ITEMS = 2 * PAIRS


def make_shop(*, views_from: float = 0.0) -> Interactions:
    """Everybody has a taste of five pairs, and buys both of one of them each week, a few every week the same pair.

    They look at one of a pair, then at the other, in a visit of their own; before `views_from` days nobody looks.
    """
    draws = np.random.default_rng(5)
    rows: list[tuple[int, int, float, str]] = []
    for person in range(PEOPLE):
        own = draws.choice(PAIRS, 5, replace=False)
        for week in range(DAYS // 7):
            pair = own[0] if draws.random() < 0.5 else draws.choice(own)
            at = (week * 7 + draws.random() * 6) * DAY
            rows += [(person, 2 * pair + side, at, "purchase") for side in (0, 1)]
            if week * 7 >= views_from:
                looked = draws.integers(PAIRS)
                rows += [(person, 2 * looked + side, at + 40_000 + side, "view") for side in (0, 1)]
    user, item, seconds, kinds = zip(*rows, strict=True)
    return Interactions.from_rows(
        user=np.array(user),
        item=np.array(item),
        order=np.array(seconds),
        kind=np.array([KIND_CODES[kind] for kind in kinds], np.int8),
        users=IdMap.of([f"{person:03d}" for person in range(PEOPLE)]),
        items=IdMap.of([f"{item:03d}" for item in range(ITEMS)]),
        as_of=DAYS * DAY,
    )


PRODUCTS = Products.of_columns(
    {
        "title": [f"thing number {item}" for item in range(ITEMS)],
        "category": [f"All > Aisle {item // 2} > {item}" for item in range(ITEMS)],
    }
)


@cache
def found(*, views_from: float = 0.0, seconds: float = 20.0) -> tuple[dict[str, PlacementResult], ModelChoice]:
    interactions = make_shop(views_from=views_from)
    time_split = split_by_time(interactions)
    budget, step = TrainingBudget(seconds, 2000, clock=lambda: 0.0), lambda _name, _share: None  # time stands still
    choice = tune_model(time_split=time_split, products=PRODUCTS, budget=TrainingBudget(3, 2000), step=step)
    shop = ShopData(interactions, PRODUCTS, time_split)
    chosen = tune_placements(shop=shop, choice=choice, budget=budget, step=step)
    model_evaluation = evaluate_choice(
        time_split=time_split, choice=chosen.choice, products=PRODUCTS, active=None, step=step
    )
    return evaluate_placements(shop=shop, chosen=chosen, model_evaluation=model_evaluation, budget=budget, step=step)


def test_every_place_has_a_verdict_that_json_can_hold() -> None:
    placements, _choice = found()
    assert list(placements) == [*PLACEMENTS, RANK]
    for place in placements.values():
        told = place.as_json()
        assert {"weights", "on", "why", "fallback", "figures"} <= told.keys()
        assert sum(told["weights"].values()) == pytest.approx(1.0, abs=0.01) or not told["weights"]


@pytest.mark.parametrize(("name", "asked"), [("similar", "next_view"), ("cart", "rest_of_basket")])
def test_what_belongs_together_is_found_and_beats_what_is_popular(name: str, asked: str) -> None:
    place = found()[0][name]
    assert place.measurement.question == asked
    assert place.measurement.comparison is not None
    assert place.measurement.comparison.own["hit_rate"].value > 0.9
    assert place.decide()[0]
    assert place.decide()[1]["code"] == "place_better"


def test_what_is_bought_again_is_beside_for_you_among_the_same_and_as_it_is() -> None:
    place = found()[0]["buy-again"]
    assert place.measurement.comparison is not None
    assert place.measurement.comparison.own["ndcg"].value > 0.6
    assert set(place.measurement.other_comparisons) == {"for_you_unrestricted"}


def test_what_somebody_had_bought_before_is_told_apart() -> None:
    place = found()[0]["cart"]
    apart = place.measurement.other_comparisons.get("without_repeats")
    assert apart is None or apart.people < place.measurement.comparison.people  # type: ignore[union-attr]


def test_where_nothing_rises_trending_is_off_and_popular_takes_over() -> None:
    place = found()[0]["trending"]
    on, why = place.decide()
    assert not on
    assert why["values"]["fallback"] == "popular"
    assert len(place.measurement.other_comparisons) == 2  # the weeks of the test part


def test_categories_of_ones_own_are_found() -> None:
    place = found()[0]["categories"]
    assert place.measurement.question == "next_basket"
    assert place.decide()[0]


def test_without_new_products_new_is_not_judged_and_says_so() -> None:
    on, why = found()[0]["new"].decide()
    assert (on, why["code"]) == (True, "place_too_few")


def test_parts_that_only_places_need_are_kept_with_weight_0_and_those_of_places_that_are_off_are_not() -> None:
    placements, choice = found()
    needed = {
        part for place in placements.values() if place.weights and place.decide()[0] for part in place.weights.weights
    }
    assert needed <= set(choice.components)
    assert set(choice.weights) == set(choice.components)
    assert "trending" not in choice.components
    assert all(choice.weights[name] == 0.0 for name in choice.extra)


def test_views_that_begin_after_the_validation_part_choose_by_one_half_and_judge_by_the_other() -> None:
    placements, _choice = found(views_from=DAYS - 20)
    place = placements["similar"]
    assert place.measurement.question == "next_view"
    assert place.validation is not None
    assert place.measurement.comparison is not None
    assert place.measurement.comparison.own["hit_rate"].value > 0.9


def test_without_views_similar_is_judged_by_the_next_basket_of_the_category() -> None:
    place = found(views_from=10_000)[0]["similar"]
    assert place.measurement.question == "next_basket_category"


def test_without_time_places_begin_as_they_are_and_say_so() -> None:
    placements, _choice = found(seconds=0.0)
    assert placements["cart"].decide()[0]
    assert placements["cart"].decide()[1]["code"] == "place_no_time"


def test_a_history_too_short_begins_with_the_parts_that_there_are() -> None:
    from recommendations.training.data.extract import TrainingData

    data: Any = TrainingData.__new__(TrainingData)
    choice = make_default_choice(data)
    placements = make_default_placements(choice.components, make_reason("place_short_history"))
    assert placements["similar"].as_json()["weights"] == {"content": 0.6, "item-knn": 0.4}
    assert placements["cart"].as_json()["weights"] == {"item-knn": 1.0}
    assert not placements["bought-together"].as_json()["on"]
    assert placements["recently-viewed"].as_json()["on"]


def judged(difference: float, low: float, *, people: int = 100) -> QueryScores:
    interval = {name: ConfidenceInterval(difference, low, low + 1.0) for name in ("ndcg", "hit_rate", "precision")}
    return QueryScores(people, people, interval, interval, interval)


@pytest.mark.parametrize(
    ("before", "after", "on", "code"),
    [
        (judged(0.1, 0.0), judged(0.1, 0.05), True, "place_better"),
        (judged(-0.1, -0.2), judged(0.1, 0.05), False, "place_not_chosen"),
        (judged(0.1, 0.0), judged(0.1, -0.05), False, "place_no_better"),
        (judged(0.1, 0.0), judged(-0.1, -0.2, people=29), True, "place_too_few"),
        (judged(0.1, 0.0), None, True, "place_too_few"),
        (judged(-0.1, -0.2), None, False, "place_not_chosen"),
        (None, judged(0.1, 0.05), True, "place_better"),
    ],
)
def test_a_place_is_on_where_both_parts_speak_for_it(
    before: QueryScores | None, after: QueryScores | None, on: bool, code: str
) -> None:
    place = PlacementResult(
        "cart", PlacementWeights({"co-purchase": 1.0}), before, PlacementMeasurement("rest_of_basket", after)
    )
    assert (place.decide()[0], place.decide()[1]["code"]) == (on, code)
