"""Splits into train and test data."""

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, Interactions
from recommendations.engine.evaluation import (
    hold_out,
    leave_last_item_out,
    leave_last_out,
    make_rating_folds,
    make_split,
    split_by_moment,
)
from recommendations.engine.evaluation.splits import EmptySplitError
from tests.recommendations.engine.makers import make_random_interactions, make_stars


def test_folds_contain_each_pair_once_and_are_reproducible():
    ratings = make_stars()
    folds = make_rating_folds(ratings, folds=4, seed=9)
    tested = np.concatenate([fold.test.user * ratings.n_items + fold.test.item for fold in folds])
    assert len(np.unique(tested)) == len(ratings) == len(tested)
    assert all(len(fold.train) + len(fold.test) == len(ratings) for fold in folds)
    again = make_rating_folds(ratings, folds=4, seed=9)
    assert all(np.array_equal(first.test.user, second.test.user) for first, second in zip(folds, again, strict=True))
    with pytest.raises(EmptySplitError, match="folds"):
        make_rating_folds(ratings.select(np.arange(3)), folds=4, seed=9)


def make_events(*events: tuple[str, str, str]) -> Interactions:
    """Make interactions of (user, item, kind), one per second."""
    users, items, kinds = zip(*events, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, kind=[KIND_CODES[kind] for kind in kinds])


def list_pairs(part: Interactions) -> list[tuple[str, str]]:
    return list(zip(part.users.get_ids(part.user), part.items.get_ids(part.item), strict=True))


def test_newest_purchase_is_held_out_with_all_interactions_with_its_item():
    events = make_events(
        ("a", "x", "purchase"), ("a", "y", "view"), ("a", "y", "cart"), ("a", "y", "purchase"), ("a", "y", "view"),
        ("b", "y", "view"), ("b", "z", "purchase"), ("c", "x", "view"),
    )  # fmt: skip
    split = leave_last_item_out(events, kind="purchase")
    assert list_pairs(split.test) == [("a", "y"), ("b", "z")]
    assert list_pairs(split.train) == [("a", "x"), ("b", "y"), ("c", "x")]


def test_users_with_one_product_stay_in_train():
    events = make_events(("a", "x", "view"), ("a", "x", "purchase"), ("b", "x", "view"), ("b", "y", "purchase"))
    split = leave_last_item_out(events, kind="purchase")
    assert list_pairs(split.test) == [("b", "y")]
    assert list_pairs(split.train) == [("a", "x"), ("a", "x"), ("b", "x")]


def test_data_without_anything_to_hold_out_are_rejected():
    with pytest.raises(EmptySplitError, match="purchase"):
        leave_last_item_out(make_events(("a", "x", "view"), ("a", "y", "view")), kind="purchase")
    with pytest.raises(EmptySplitError, match="cart"):
        leave_last_item_out(make_events(("a", "x", "cart")), kind="cart")


def test_time_split_keeps_the_future_out_of_train_and_unknown_users_out_of_test():
    interactions = Interactions.from_ids(user_ids=["a", "b", "a", "c"], item_ids=list("xyyx"), order=[1, 2, 3, 4])
    split = split_by_moment(interactions, at=3)
    assert split.train.order.tolist() == [1, 2]
    assert split.test.users.get_ids(split.test.user) == ["a"]
    assert split.train.as_of == 3


@pytest.mark.parametrize(("at", "side"), [(0, "train"), (9, "test")])
def test_split_that_leaves_a_side_empty_is_rejected(at, side):
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


def test_given_parts_share_one_numbering_and_keep_unknown_test_users():
    train = Interactions.from_ids(user_ids=["a", "b"], item_ids=["x", "z"], order=[1, 2])
    test = Interactions.from_ids(user_ids=["b", "c"], item_ids=["y", "x"], order=[3, 4])
    split = make_split(train=train, test=test)
    assert split.train.users is split.test.users
    assert split.test.users.get_ids() == ["a", "b", "c"]
    assert split.test.items.get_ids(split.test.item) == ["y", "x"]
    assert split.train.items.get_ids(split.train.item) == ["x", "z"]
    assert split.test.order.tolist() == [3, 4]


def test_given_parts_without_common_users_are_rejected():
    train, test = (Interactions.from_ids(user_ids=[user], item_ids=["x"]) for user in "ab")
    with pytest.raises(EmptySplitError, match="no user of test is in train"):
        make_split(train=train, test=test)


def test_share_of_each_users_items_is_held_out_with_all_their_lines():
    interactions = make_random_interactions()
    split = hold_out(interactions, share=0.25, seed=4)
    train, test = split.train.build_user_items() > 0, split.test.build_user_items() > 0
    assert len(split.train) + len(split.test) == len(interactions)
    assert train.multiply(test).nnz == 0
    counts = np.diff((interactions.build_user_items() > 0).indptr)
    np.testing.assert_array_equal(np.diff(test.indptr), np.minimum(np.rint(counts * 0.25), counts - 1))
    again = hold_out(interactions, share=0.25, seed=4)
    np.testing.assert_array_equal(again.test.item, split.test.item)
    assert not np.array_equal(hold_out(interactions, share=0.25, seed=5).test.item, split.test.item)


def test_share_below_one_item_is_rejected():
    interactions = Interactions.from_ids(user_ids=["a", "b"], item_ids=["x", "y"])
    with pytest.raises(EmptySplitError, match=r"0\.2"):
        hold_out(interactions, share=0.2, seed=0)
    with pytest.raises(ValueError, match="share"):
        hold_out(interactions, share=1.0, seed=0)
