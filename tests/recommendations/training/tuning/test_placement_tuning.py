"""Placement tuning on a constructed shop whose answers are known."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from django.conf import settings

from recommendations.engine import ALGORITHMS, KIND_CODES, IdMap, Interactions, Products
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.evaluation import ConfidenceInterval
from recommendations.engine.evaluation.evaluation_queries import QuerySample
from recommendations.engine.evaluation.placement_evaluation import QueryScores
from recommendations.engine.pair_support.support import select_partners
from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.state.model import ServingModel
from recommendations.serving.state.reason_support import ReasonSupport
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.time_split import split_by_time
from recommendations.training.evaluation import placement_evaluation
from recommendations.training.evaluation.evaluation import evaluate_choice
from recommendations.training.evaluation.placement_data import EvaluationWindow, ShopData
from recommendations.training.evaluation.placement_evaluation import (
    RANK,
    PlacementEvaluator,
    PlacementMeasurement,
    PlacementWeights,
    fill_lists,
    score_without_history,
)
from recommendations.training.evaluation.promotion_criteria import make_reason
from recommendations.training.train import make_default_choice
from recommendations.training.tuning.model_choice import ModelChoice, fit_component
from recommendations.training.tuning.model_tuning import tune_model
from recommendations.training.tuning.placements.placement_result import PlacementResult, make_default_placements
from recommendations.training.tuning.placements.placement_testing import evaluate_placements
from recommendations.training.tuning.placements.placement_tuning import tune_placements
from recommendations.training.tuning.placements.timed_step import PLACEMENT_ORDER
from recommendations.training.tuning.placements.trending_tuning import build_trending_windows, tune_trending
from tests.recommendations.trainings import make_counted_budget

DAY = 86_400.0
N_USERS, PAIRS, DAYS = 80, 20, 140
ITEMS = 2 * PAIRS


def make_shop(*, views_from: float = 0.0) -> Interactions:
    """Return users who like five pairs of products and buy both of one pair each week, half of the time the same pair.

    They view both products of a random pair in a separate visit; there are no views before `views_from` days.
    """
    rng = np.random.default_rng(5)
    rows: list[tuple[int, int, float, str]] = []
    for user in range(N_USERS):
        own = rng.choice(PAIRS, 5, replace=False)
        for week in range(DAYS // 7):
            pair = own[0] if rng.random() < 0.5 else rng.choice(own)
            at = (week * 7 + rng.random() * 6) * DAY
            rows += [(user, 2 * pair + side, at, "purchase") for side in (0, 1)]
            if week * 7 >= views_from:
                viewed = rng.integers(PAIRS)
                rows += [(user, 2 * viewed + side, at + 40_000 + side, "view") for side in (0, 1)]
    users, items, seconds, kinds = zip(*rows, strict=True)
    return Interactions.from_rows(
        user=np.array(users),
        item=np.array(items),
        order=np.array(seconds),
        kind=np.array([KIND_CODES[kind] for kind in kinds], np.int8),
        users=IdMap.of([f"{user:03d}" for user in range(N_USERS)]),
        items=IdMap.of([f"{item:03d}" for item in range(ITEMS)]),
        as_of=DAYS * DAY,
    )


PRODUCTS = Products.of_columns(
    {
        "title": [f"thing number {item}" for item in range(ITEMS)],
        "category": [f"All > Aisle {item // 2} > {item}" for item in range(ITEMS)],
    }
)


def ignore_step(_name: str, _share: float) -> None:
    pass


@cache
def tune_shop_model(*, views_from: float) -> tuple[ShopData, ModelChoice]:
    interactions = make_shop(views_from=views_from)
    time_split = split_by_time(interactions)
    budget = make_counted_budget(3, 2000)
    choice = tune_model(time_split=time_split, products=PRODUCTS, budget=budget, step=ignore_step)
    return ShopData(interactions, PRODUCTS, time_split), choice


@cache
def tune_shop(
    *, views_from: float = 0.0, seconds: float = 20.0, decided: frozenset[str] = frozenset()
) -> tuple[dict[str, PlacementResult], ModelChoice]:
    """Tune and evaluate the placements. decided: those that are active in the active version because they were better."""
    shop, choice = tune_shop_model(views_from=views_from)
    budget, step = TrainingBudget(seconds, 2000, clock=lambda: 0.0), ignore_step  # the clock does not move
    earlier = {name: {"on": True, "is_judged": True, "weights": {"item-knn": 1.0}} for name in decided}
    tuned = tune_placements(shop=shop, choice=choice, budget=budget, step=step, earlier=earlier)
    model_evaluation = evaluate_choice(
        time_split=shop.split, choice=tuned.choice, products=PRODUCTS, active=None, step=step
    )
    return evaluate_placements(shop=shop, tuned=tuned, model_evaluation=model_evaluation, budget=budget, step=step)


def test_every_placement_has_a_decision_that_json_can_store() -> None:
    placements, _choice = tune_shop()
    assert list(placements) == [*PLACEMENTS, RANK]
    for placement in placements.values():
        saved = placement.to_json()
        assert {"weights", "on", "why", "fallback", "figures"} <= saved.keys()
        assert sum(saved["weights"].values()) == pytest.approx(1.0, abs=0.01) or not saved["weights"]


@pytest.mark.parametrize(("name", "query_type"), [("similar", "next_view"), ("cart", "rest_of_basket")])
def test_related_products_are_found_and_beat_popular_ones(name: str, query_type: str) -> None:
    placement = tune_shop()[0][name]
    assert placement.measurement.query_type == query_type
    assert placement.measurement.comparison is not None
    assert placement.measurement.comparison.own["hit_rate"].value > 0.9
    assert placement.decide()[0]
    assert placement.decide()[1]["code"] == "place_better"


def test_buy_again_is_compared_with_for_you_as_served_on_the_next_basket() -> None:
    """Both know what customers buy again, but for-you shows few of it, which is why a shop wants the placement."""
    placement = tune_shop()[0]["buy-again"]
    assert placement.measurement.query_type == "next_basket_again"
    comparison = placement.measurement.comparison
    assert comparison is not None
    assert comparison.own["ndcg"].value > comparison.fallback["ndcg"].value + 0.1
    assert placement.decide() == (True, placement.decide()[1])
    assert placement.decide()[1]["code"] == "place_better"
    among_purchased = placement.measurement.other_comparisons["among_purchased"]
    assert abs(among_purchased.difference["ndcg"].value) < 0.1, "in the order of purchased products they hardly differ"


def test_bought_together_is_evaluated_by_the_rest_of_the_basket_beside_a_product() -> None:
    placement = tune_shop()[0]["bought-together"]
    assert placement.measurement.query_type == "rest_beside_product"
    assert placement.measurement.comparison is not None
    assert placement.measurement.comparison.own["hit_rate"].value > 0.9


def make_evaluator() -> PlacementEvaluator:
    shop, choice = tune_shop_model(views_from=0.0)
    window = EvaluationWindow.from_interactions(
        shop.interactions, choice.event_weights, start=shop.split.test.train.as_of, stop=np.inf
    )
    described = {**choice.unused, **choice.components}
    names = ("popularity", "co-purchase", "item-knn")
    components = {name: fit_component(described[name], window.weighted, PRODUCTS) for name in names}
    return PlacementEvaluator(shop, choice, replace(window, components=components), QuerySample(100, 1))


@pytest.mark.parametrize("name", ["cart", "bought-together"])
def test_related_placements_are_evaluated_with_the_products_that_serving_may_show(name: str) -> None:
    evaluator = make_evaluator()
    _query_type, queries = evaluator.get_queries(name)
    assert queries.offered is not None
    assert queries.excluded is not None
    supports = [component.support_ for component in evaluator.components.values() if component.support_ is not None]
    assert len(supports) == 2, "item-knn counts its pairs for this purpose"
    for row in range(len(queries)):
        served = select_partners(supports, queries.excluded[[row], :].indices, ITEMS)
        assert sorted(queries.offered[[row], :].indices.tolist()) == np.flatnonzero(served).tolist()
    assert queries.offered.nnz < queries.offered.shape[0] * ITEMS


def test_similar_is_evaluated_with_the_products_that_serving_may_show() -> None:
    evaluator = make_evaluator()
    own_words = Products.of_columns({"title": [f"word{item // 4} number{item}" for item in range(ITEMS)]})
    content = ALGORITHMS["content"]().fit(evaluator.window.weighted, own_words)
    evaluator.components = {**evaluator.components, "content": content}
    _query_type, queries = evaluator.get_queries("similar")
    assert queries.offered is not None
    model = SimpleNamespace(blend=SimpleNamespace(components_=evaluator.components))
    served = ReasonSupport(cast(ServingModel, model), settings.RECOMMEND_MIN_SUPPORT)
    rows = np.arange(ITEMS, dtype=np.int32)
    for row in range(len(queries)):
        given = queries.histories.slice_rows(row, row + 1).item
        is_similar = served.are_similar(rows, given)
        assert sorted(queries.offered[[row], :].indices.tolist()) == np.flatnonzero(is_similar).tolist()
    assert ITEMS < queries.offered.nnz < queries.offered.shape[0] * ITEMS / 2
    evaluator.query_cache.clear()
    evaluator.components = {name: part for name, part in evaluator.components.items() if name != "content"}
    assert evaluator.get_queries("similar")[1].offered is None, "serving shows all products without a content model"


def test_short_lists_are_filled_up_as_serving_does() -> None:
    own = np.array([[4, 5, -1, -1], [-1, -1, -1, -1]], np.int32)
    popular = np.array([[5, 6, 7, 8], [1, 2, 3, 4]], np.int32)
    assert fill_lists(own, popular, only_empty=False).tolist() == [[4, 5, 6, 7], [1, 2, 3, 4]]
    assert fill_lists(own, popular, only_empty=True).tolist() == [[4, 5, -1, -1], [1, 2, 3, 4]]


def test_repeat_purchases_are_measured_separately() -> None:
    placement = tune_shop()[0]["cart"]
    comparison = placement.measurement.other_comparisons.get("without_repeats")
    assert comparison is None or comparison.n_users < placement.measurement.comparison.n_users  # type: ignore[union-attr]


def test_without_rising_products_trending_is_off_and_falls_back_to_popular() -> None:
    placement = tune_shop()[0]["trending"]
    is_active, reason = placement.decide()
    assert (is_active, reason["code"]) == (False, "place_too_few")
    assert placement.fallback == "popular"


def make_fashion_shop() -> Interactions:
    """Return users who buy one of five steady products each week; in each week, half of them also buy the product of the week.

    A product of the week sells from three days before the week on.
    """
    rng = np.random.default_rng(7)
    rows: list[tuple[int, int, float]] = []
    for week in range(DAYS // 7):
        for user in range(N_USERS):
            rows.append((user, rng.integers(5), (week * 7 + rng.random() * 7) * DAY))
            if user % 2:
                rows.append((user, 5 + week, (week * 7 - 3 + rng.random() * 10) * DAY))
    users, items, seconds = zip(*((user, item, max(at, 0.0)) for user, item, at in rows), strict=True)
    return Interactions.from_rows(
        user=np.array(users),
        item=np.array(items),
        order=np.minimum(np.array(seconds), DAYS * DAY - 1),
        kind=np.full(len(rows), KIND_CODES["purchase"], np.int8),
        users=IdMap.of([f"{user:03d}" for user in range(N_USERS)]),
        items=IdMap.of([f"{item:03d}" for item in range(ITEMS)]),
        as_of=DAYS * DAY,
    )


def test_trending_is_evaluated_by_what_sells_more_than_before() -> None:
    """Best sellers win on all purchases of a week, but they do not show what rises."""
    interactions = make_fashion_shop()
    shop, choice = ShopData(interactions, PRODUCTS, split_by_time(interactions)), make_default_choice()
    start = shop.split.validation.train.as_of
    windows = build_trending_windows(shop, choice, start=start, stop=shop.split.test.train.as_of)
    budget = TrainingBudget(1, 2000, clock=lambda: 0.0)  # the clock does not move
    placement, _component = tune_trending(
        shop=shop, choice=choice, windows=windows, sample=QuerySample(1000, 1), budget=budget, step=ignore_step
    )
    assert placement.validation is not None
    assert placement.validation.beats()
    assert placement.validation.own["hit_rate"].value > placement.validation.fallback["hit_rate"].value + 0.3


def test_personal_categories_are_found() -> None:
    placement = tune_shop()[0]["categories"]
    assert placement.measurement.query_type == "next_basket"
    assert placement.decide()[0]


def test_new_products_without_sales_are_not_popular_ones() -> None:
    evaluator = make_evaluator()
    popularity = cast(Popularity, evaluator.components["popularity"])
    sold = np.arange(ITEMS) >= 10
    popularity.counts_ = np.where(sold, popularity.counts_, np.float32(0))
    assert np.isfinite(score_without_history(popularity)).tolist() == sold.tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement_evaluation, "find_new_items", lambda *_arguments, **_options: ~sold)
        comparison = evaluator.measure_new().comparison
    assert comparison is not None
    assert comparison.fallback["hit_rate"].value == 0, "no list of popular products in the order of their numbers"


def test_without_new_products_the_new_placement_is_active_because_its_products_are_facts() -> None:
    is_active, reason = tune_shop()[0]["new"].decide()
    assert (is_active, reason["code"]) == (True, "place_factual")


def test_components_that_only_active_placements_need_are_kept_with_weight_0() -> None:
    placements, choice = tune_shop()
    needed = {
        part
        for placement in placements.values()
        if placement.weights and placement.decide()[0]
        for part in placement.weights.weights
    }
    assert needed <= set(choice.components)
    assert set(choice.weights) == set(choice.components)
    assert "trending" not in choice.components
    assert all(choice.weights[name] == 0.0 for name in choice.extra)


def test_late_views_are_split_into_halves_for_tuning_and_evaluation() -> None:
    placements, _choice = tune_shop(views_from=DAYS - 20)
    placement = placements["similar"]
    assert placement.measurement.query_type == "next_view"
    assert placement.validation is not None
    assert placement.measurement.comparison is not None
    assert placement.measurement.comparison.own["hit_rate"].value > 0.9


def test_without_views_similar_is_evaluated_by_the_next_basket_of_the_category() -> None:
    placement = tune_shop(views_from=10_000)[0]["similar"]
    assert placement.measurement.query_type == "next_basket_category"


def test_without_time_a_placement_keeps_the_decision_and_the_weights_of_the_active_version() -> None:
    cart = tune_shop(seconds=0.0, decided=frozenset({"cart"}))[0]["cart"]
    assert (cart.decide()[0], cart.decide()[1]["code"]) == (True, "place_earlier_on")
    assert cart.measurement.comparison is None
    cart = replace(cart, earlier=None)
    is_active, reason = cart.decide()
    assert (is_active, reason["code"]) == (False, "place_no_time")
    weights, components = {"co-purchase": 0.7, "popularity": 0.3}, {"co-purchase", "popularity", "item-knn"}
    for was_on in (True, False):
        earlier = {"on": was_on, "is_judged": True, "weights": weights}
        kept = cart.with_earlier(earlier, components)
        is_active, reason = kept.decide()
        assert (is_active, reason["code"]) == (was_on, "place_earlier_on" if was_on else "place_earlier_off")
        assert kept.to_json()["weights"] == weights, "the decision was about these"
        assert kept.to_json()["is_judged"], "the next version can rely on it as well"
        assert cart.with_earlier(earlier, {"co-purchase"}) is cart, "the new version lacks an algorithm"
    assert cart.with_earlier({"on": True, "is_judged": False, "weights": weights}, components) is cart
    assert cart.with_earlier(None, components) is cart


def test_without_time_a_placement_is_evaluated_on_a_smaller_sample_the_first_time() -> None:
    """A first training is short. What it does not evaluate would show best sellers until the next one."""
    placements = tune_shop(seconds=0.0)[0]
    assert placements["trending"].measurement.comparison is not None
    for name in ("similar", "bought-together", "cart", "categories"):
        comparison = placements[name].measurement.comparison
        assert comparison is not None, name
        assert comparison.n_users >= 30, name
        assert placements[name].decide()[1]["code"] in {"place_better", "place_no_better"}, name
    assert placements["cart"].decide()[0]
    assert placements["rank"].measurement.comparison is None, "active anyway, so it takes no time"


def test_an_evaluated_placement_does_not_keep_the_earlier_decision() -> None:
    earlier = {"on": False, "is_judged": True, "weights": {"co-purchase": 1.0}}
    cart = tune_shop()[0]["cart"]
    assert cart.with_earlier(earlier, {"co-purchase"}) is cart
    few = PlacementResult(
        "cart", PlacementWeights({"item-knn": 1.0}), None, PlacementMeasurement("", make_scores(0.1, 0.05, n_users=29))
    )
    assert few.with_earlier(earlier, {"co-purchase"}).decide()[1]["code"] == "place_earlier_off"


@pytest.mark.parametrize("name", ["new", "recently-viewed", "rank", "popular"])
def test_what_shows_facts_is_active_whatever_was_measured(name: str) -> None:
    measured = PlacementMeasurement("", make_scores(-0.1, -0.2))
    placement = PlacementResult(name, PlacementWeights({}), None, measured)
    assert placement.decide()[0]
    without_time = replace(placement, fixed_reason=make_reason("place_no_time"))
    assert without_time.decide()[0]
    earlier = {"on": False, "is_judged": True, "weights": {}}
    assert without_time.with_earlier(earlier, set()).decide()[0]


def test_placements_that_others_fall_back_to_are_evaluated_first() -> None:
    for name in PLACEMENT_ORDER:
        fallback = PLACEMENTS[name].fallback if name in PLACEMENTS else None
        if fallback in PLACEMENT_ORDER:
            assert PLACEMENT_ORDER.index(fallback) < PLACEMENT_ORDER.index(name)
    assert set(PLACEMENT_ORDER[-3:]) == {"rank", "recently-viewed", "new"}, "active anyway, so last"


def test_a_small_shop_still_shows_what_needs_no_evaluation() -> None:
    choice = make_default_choice()
    placements = make_default_placements(choice.components, make_reason("place_short_history"))
    active = {name for name, placement in placements.items() if placement.decide()[0]}
    assert active == {"for-you", "similar", "popular", "new", "recently-viewed"}
    without_content = make_default_placements({"item-knn", "popularity"}, make_reason("place_short_history"))
    assert not without_content["similar"].decide()[0]


def test_a_short_history_uses_defaults_over_the_available_components() -> None:
    choice = make_default_choice()
    placements = make_default_placements(choice.components, make_reason("place_short_history"))
    assert placements["similar"].to_json()["weights"] == {"content": 0.6, "item-knn": 0.4}
    assert placements["cart"].to_json()["weights"] == {"item-knn": 1.0}
    assert not placements["bought-together"].to_json()["on"]
    assert placements["recently-viewed"].to_json()["on"]


def make_scores(difference: float, low: float, *, n_users: int = 100) -> QueryScores:
    interval = {name: ConfidenceInterval(difference, low, low + 1.0) for name in ("ndcg", "hit_rate", "precision")}
    return QueryScores(n_users, n_users, interval, interval, interval)


@pytest.mark.parametrize(
    ("validation", "test", "is_active", "code"),
    [
        (make_scores(0.1, 0.0), make_scores(0.1, 0.05), True, "place_better"),
        (make_scores(-0.1, -0.2), make_scores(0.1, 0.05), False, "place_not_chosen"),
        (make_scores(0.1, 0.0), make_scores(0.1, -0.05), False, "place_no_better"),
        (make_scores(0.1, 0.0), make_scores(-0.1, -0.2, n_users=29), False, "place_too_few"),
        (make_scores(0.1, 0.0), None, False, "place_too_few"),
        (make_scores(-0.1, -0.2), None, False, "place_not_chosen"),
        (None, make_scores(0.1, 0.05), True, "place_better"),
    ],
)
def test_a_placement_is_active_if_validation_and_test_support_it(
    validation: QueryScores | None, test: QueryScores | None, is_active: bool, code: str
) -> None:
    placement = PlacementResult(
        "cart", PlacementWeights({"co-purchase": 1.0}), validation, PlacementMeasurement("rest_of_basket", test)
    )
    assert (placement.decide()[0], placement.decide()[1]["code"]) == (is_active, code)
