"""Cuts, intervals, the runner and the search for weights."""

import numpy as np
import pytest

from recommendations.engine import Interactions
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.repeat.repeat_purchase import RepeatPurchase
from recommendations.engine.evaluation import (
    split_by_moment,
    evaluate,
    make_split,
    hold_out,
    estimate_intervals,
    leave_last_out,
)
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.engine.tuning.ensemble_weights import choose_weights
from tests.recommendations.engine.makers import make_random_interactions


def make_habits(n_users: int = 40, days: int = 60, seed: int = 0) -> Interactions:
    """All users buys mostly from three products of their own."""
    draws = np.random.default_rng(seed)
    user = np.repeat(np.arange(n_users), days)
    own = user * 3 % 50 + draws.integers(0, 3, len(user))
    item = np.where(draws.random(len(user)) < 0.7, own, draws.integers(0, 53, len(user)))
    return Interactions.from_ids(
        user_ids=[f"u{u}" for u in user], item_ids=[f"i{i}" for i in item], order=np.tile(np.arange(days), n_users)
    )


def test_cut_in_time_keeps_the_future_out_of_train_and_strangers_out_of_test():
    interactions = Interactions.from_ids(user_ids=["a", "b", "a", "c"], item_ids=list("xyyx"), order=[1, 2, 3, 4])
    split = split_by_moment(interactions, at=3)
    assert split.train.order.tolist() == [1, 2]
    assert split.test.users.ids(split.test.user) == ["a"]
    assert split.train.as_of == 3


@pytest.mark.parametrize(("at", "side"), [(0, "train"), (9, "test")])
def test_cut_that_leaves_nothing_is_refused(at, side):
    with pytest.raises(EmptySplitError, match=side):
        split_by_moment(Interactions.from_ids(user_ids=["a", "a"], item_ids=["x", "y"], order=[1, 2]), at=at)


def test_last_and_second_last_are_left_out_for_test_and_validation():
    interactions = Interactions.from_ids(
        user_ids=["a", "a", "a", "b", "b", "c"], item_ids=list("xyzxyx"), order=[1, 2, 3, 2, 1, 5]
    )
    test, validation = leave_last_out(interactions), leave_last_out(interactions, last=2)
    assert test.test.order.tolist() == [3, 2]
    assert test.train.order.tolist() == [1, 2, 1, 5]
    assert validation.test.order.tolist() == [2]
    assert validation.train.order.tolist() == [1, 1]


def test_given_parts_share_one_numbering_and_keep_strangers_of_test():
    train = Interactions.from_ids(user_ids=["a", "b"], item_ids=["x", "z"], order=[1, 2])
    test = Interactions.from_ids(user_ids=["b", "c"], item_ids=["y", "x"], order=[3, 4])
    split = make_split(train=train, test=test)
    assert split.train.users is split.test.users
    assert split.test.users.ids() == ["a", "b", "c"]
    assert split.test.items.ids(split.test.item) == ["y", "x"]
    assert split.train.items.ids(split.train.item) == ["x", "z"]
    assert split.test.order.tolist() == [3, 4]


def test_given_parts_of_different_people_are_refused():
    train, test = (Interactions.from_ids(user_ids=[user], item_ids=["x"]) for user in "ab")
    with pytest.raises(EmptySplitError, match="nobody of test is in train"):
        make_split(train=train, test=test)


def test_a_share_of_each_persons_items_is_held_out_with_all_its_lines():
    interactions = make_random_interactions()
    split = hold_out(interactions, share=0.25, seed=4)
    train, test = split.train.user_items() > 0, split.test.user_items() > 0
    assert len(split.train) + len(split.test) == len(interactions)
    assert train.multiply(test).nnz == 0
    counts = np.diff((interactions.user_items() > 0).indptr)
    np.testing.assert_array_equal(np.diff(test.indptr), np.minimum(np.rint(counts * 0.25), counts - 1))
    again = hold_out(interactions, share=0.25, seed=4)
    np.testing.assert_array_equal(again.test.item, split.test.item)
    assert not np.array_equal(hold_out(interactions, share=0.25, seed=5).test.item, split.test.item)


def test_share_that_is_no_whole_item_anywhere_is_refused():
    interactions = Interactions.from_ids(user_ids=["a", "b"], item_ids=["x", "y"])
    with pytest.raises(EmptySplitError, match=r"0\.2"):
        hold_out(interactions, share=0.2, seed=0)
    with pytest.raises(ValueError, match="share"):
        hold_out(interactions, share=1.0, seed=0)


def test_interval_holds_the_mean_and_shrinks_with_more_people():
    draws = np.random.default_rng(1)
    few, many = (
        estimate_intervals(draws.random((30, 1)), seed=2)[0],
        estimate_intervals(draws.random((3000, 1)), seed=2)[0],
    )
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 4
    standard_error = np.sqrt(1 / 12 / 3000)
    assert many.high - many.low == pytest.approx(2 * 1.96 * standard_error, rel=0.15)


def test_interval_of_nobody_is_nan_and_of_one_person_a_point():
    assert np.isnan(estimate_intervals(np.array([[np.nan]]), seed=0)[0].value)
    one = estimate_intervals(np.array([[0.4], [np.nan]]), seed=0)[0]
    assert (one.low, one.value, one.high) == pytest.approx((0.4, 0.4, 0.4))


def test_same_seed_gives_the_same_evaluation():
    split = split_by_moment(make_habits(), at=50)
    first, second = (
        evaluate(algorithms={"p": Popularity()}, train=split.train, test=split.test, exclude_seen=False, seed=3).results
        for _ in range(2)
    )
    assert first == second


def test_people_with_habits_are_best_served_by_repeat_and_the_difference_is_sure():
    split = split_by_moment(make_habits(), at=50)
    evaluation = evaluate(
        algorithms={"popularity": Popularity(), "repeat": RepeatPurchase()},
        train=split.train,
        test=split.test,
        exclude_seen=False,
        seed=3,
    )
    assert evaluation.best() == "repeat"
    assert evaluation.difference("repeat", "popularity", "ndcg", 10).low > 0
    assert evaluation.difference("repeat", "repeat", "ndcg", 10).value == 0
    result = evaluation.value("repeat", "precision", 5)
    assert result.low < result.value < result.high
    assert evaluation.value("repeat", "coverage", 10).low is None


def test_what_was_seen_is_neither_shown_nor_counted_when_excluded():
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
    chosen = choose_weights(components=components, train=split.train, validation=split.test, exclude_seen=False, seed=1)
    assert sum(chosen.weights.values()) == pytest.approx(1.0, abs=1e-3)
    assert chosen.value >= max(chosen.single.values())
    assert max(chosen.weights, key=chosen.weights.get) == "repeat"


def test_search_with_exclusions_ignores_what_repeats():
    split = split_by_moment(make_random_interactions(), at=150 * 86_400)
    components = {"repeat": RepeatPurchase().fit(split.train), "popularity": Popularity().fit(split.train)}
    chosen = choose_weights(components=components, train=split.train, validation=split.test, exclude_seen=True, seed=1)
    assert chosen.single["repeat"] == 0
    assert chosen.weights["popularity"] == 1.0
