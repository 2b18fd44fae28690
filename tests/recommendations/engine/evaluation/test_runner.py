"""Confidence intervals, the runner and the search for weights."""

import numpy as np
import pytest

from recommendations.engine import Interactions
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.repeat.repeat_purchase import RepeatPurchase
from recommendations.engine.evaluation import (
    estimate_intervals,
    evaluate,
    split_by_moment,
)
from recommendations.engine.tuning.ensemble_weights import choose_weights
from tests.recommendations.engine.makers import make_random_interactions


def make_habits(n_users: int = 40, days: int = 60, seed: int = 0) -> Interactions:
    """Users who buy mostly from three products of their own."""
    draws = np.random.default_rng(seed)
    user = np.repeat(np.arange(n_users), days)
    own = user * 3 % 50 + draws.integers(0, 3, len(user))
    item = np.where(draws.random(len(user)) < 0.7, own, draws.integers(0, 53, len(user)))
    return Interactions.from_ids(
        user_ids=[f"u{u}" for u in user], item_ids=[f"i{i}" for i in item], order=np.tile(np.arange(days), n_users)
    )


def test_interval_contains_the_mean_and_shrinks_with_more_users():
    draws = np.random.default_rng(1)
    few, many = (
        estimate_intervals(draws.random((30, 1)), seed=2)[0],
        estimate_intervals(draws.random((3000, 1)), seed=2)[0],
    )
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 4
    standard_error = np.sqrt(1 / 12 / 3000)
    assert many.high - many.low == pytest.approx(2 * 1.96 * standard_error, rel=0.15)


def test_interval_of_no_users_is_nan_and_one_user_has_none():
    assert np.isnan(estimate_intervals(np.array([[np.nan]]), seed=0)[0].value)
    interval = estimate_intervals(np.array([[0.4], [np.nan]]), seed=0)[0]
    assert interval.value == pytest.approx(0.4)
    assert np.isnan([interval.low, interval.high]).all()


def test_same_seed_gives_the_same_evaluation():
    split = split_by_moment(make_habits(), at=50)
    first, second = (
        evaluate(algorithms={"p": Popularity()}, train=split.train, test=split.test, exclude_seen=False, seed=3).results
        for _ in range(2)
    )
    assert first == second


def test_repeat_purchase_is_significantly_best_for_users_with_habits():
    split = split_by_moment(make_habits(), at=50)
    evaluation = evaluate(
        algorithms={"popularity": Popularity(), "repeat": RepeatPurchase()},
        train=split.train,
        test=split.test,
        exclude_seen=False,
        seed=3,
    )
    assert evaluation.find_best() == "repeat"
    assert evaluation.compare("repeat", "popularity", "ndcg", 10).low > 0
    assert evaluation.compare("repeat", "repeat", "ndcg", 10).value == 0
    result = evaluation.get_result("repeat", "precision", 5)
    assert result.low < result.value < result.high
    assert evaluation.get_result("repeat", "coverage", 10).low is None


def test_excluded_seen_items_are_neither_shown_nor_counted():
    interactions = Interactions.from_ids(
        user_ids=["a", "b", "a", "b", "a"], item_ids=["x", "y", "x", "z", "y"], order=[1, 1, 5, 5, 5]
    )
    split = split_by_moment(interactions, at=5)
    evaluation = evaluate(
        algorithms={"p": Popularity()}, train=split.train, test=split.test, exclude_seen=True, seed=0, ns=(1,)
    )
    assert evaluation.scores["p"]["recall", 1].tolist() == [1.0, 0.0]


def test_chosen_weights_sum_to_one_and_are_never_worse_than_the_best_component():
    split = split_by_moment(make_habits(), at=50)
    components = {"popularity": Popularity().fit(split.train), "repeat": RepeatPurchase().fit(split.train)}
    result = choose_weights(components=components, train=split.train, validation=split.test, exclude_seen=False, seed=1)
    assert sum(result.weights.values()) == pytest.approx(1.0, abs=1e-3)
    assert result.value >= max(result.single.values())
    assert max(result.weights, key=result.weights.get) == "repeat"


def test_weight_search_with_exclusions_ignores_repeat_purchases():
    split = split_by_moment(make_random_interactions(), at=150 * 86_400)
    components = {"repeat": RepeatPurchase().fit(split.train), "popularity": Popularity().fit(split.train)}
    result = choose_weights(components=components, train=split.train, validation=split.test, exclude_seen=True, seed=1)
    assert result.single["repeat"] == 0
    assert result.weights["popularity"] == 1.0
