"""Novelty, diversity, concentration, popularity bias and segments against values by hand."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recommendations.engine import Interactions
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.evaluation import evaluate, evaluate_segments
from recommendations.engine.evaluation.beyond_accuracy.diversity import compute_diversity
from recommendations.engine.evaluation.beyond_accuracy.gini import compute_gini
from recommendations.engine.evaluation.beyond_accuracy.novelty import compute_novelty
from recommendations.engine.evaluation.beyond_accuracy.popularity_lift import compute_popularity_lift
from recommendations.engine.evaluation.segments import find_cold_items, segment_users

LISTS = np.array([[0, 1, -1], [2, -1, -1], [-1, -1, -1]], np.int32)


def test_novelty_is_the_mean_self_information_in_bits():
    np.testing.assert_allclose(compute_novelty(LISTS, np.array([8, 2, 0]), 8), [(0 + 2) / 2, 3, np.nan])


def test_diversity_is_one_minus_the_mean_cosine_of_all_pairs():
    vectors = csr_array(np.array([[1.0, 0, 0], [2, 2, 0], [0, 0, 0], [0, 0, 5]]))
    lists = np.array([[0, 1, 3], [0, 2, -1], [1, -1, -1], [-1, -1, -1]], np.int32)
    np.testing.assert_allclose(compute_diversity(lists, vectors), [1 - np.sqrt(0.5) / 3, 1, np.nan, np.nan], atol=1e-6)


def test_diversity_of_many_lists_equals_the_sum_over_pairs():
    draws = np.random.default_rng(0)
    vectors = draws.random((40, 6)) * (draws.random((40, 6)) < 0.4)
    lists = np.array([draws.permutation(40)[:8] for _ in range(1100)], np.int32)
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors.T / np.maximum(np.outer(lengths, lengths), 1e-12)
    np.fill_diagonal(cosines, 0)
    expected = [1 - cosines[np.ix_(row, row)].sum() / 56 for row in lists]
    np.testing.assert_allclose(compute_diversity(lists, csr_array(vectors)), expected, atol=1e-5)


def test_gini_is_zero_for_equal_exposure_and_large_for_a_single_product():
    assert compute_gini(np.array([[0, 1], [2, 3]], np.int32), 4) == pytest.approx(0)
    assert compute_gini(np.array([[0], [0], [0]], np.int32), 4) == pytest.approx(3 / 4)
    assert compute_gini(np.array([[0, 1], [0, -1]], np.int32), 2) == pytest.approx((2 - 1) / (2 * 3))
    assert np.isnan(compute_gini(np.full((2, 2), -1, np.int32), 4))


def test_popularity_lift_compares_with_the_users_own_products():
    own = csr_array(np.array([[0, 0, 1], [1, 0, 1], [1, 0, 0]]))
    np.testing.assert_allclose(
        compute_popularity_lift(LISTS, own, np.array([8, 4, 2])), [(6 - 2) / 2, (2 - 5) / 5, np.nan]
    )


def make_past() -> tuple[Interactions, Interactions]:
    """New a (one order of two lines), active b (two orders), loyal c (five); z is bought by one of them only."""
    users = ["a", "a", "b", "b", *"ccccc"]
    items = ["x", "y", "x", "y", "x", "y", "x", "y", "z"]
    train = Interactions.from_ids(user_ids=users, item_ids=items, order=[1, 1, 1, 2, 1, 2, 3, 4, 5])
    test = Interactions.from_ids(
        user_ids=list("abc"), item_ids=["z", "x", "x"], order=[9, 9, 9], users=train.users, items=train.items
    )
    return train, test


def test_users_are_new_active_or_loyal_by_their_orders():
    train, _ = make_past()
    segments = segment_users(train, np.arange(3))
    assert {name: mask.tolist() for name, mask in segments.items()} == {
        "new": [True, False, False],
        "active": [False, True, False],
        "loyal": [False, False, True],
    }
    with pytest.raises(ValueError, match="loyal_from"):
        segment_users(train, np.arange(3), loyal_from=1)


def test_cold_items_are_those_with_few_users():
    assert find_cold_items(make_past()[0], below=2).tolist() == [False, False, True]


def test_metrics_are_computed_by_segment():
    train, test = make_past()
    evaluation = evaluate(
        algorithms={"popularity": Popularity()}, train=train, test=test, exclude_seen=False, seed=1, ns=(2, 3)
    )
    by_segment = {
        result.segment: result for result in evaluate_segments(evaluation, train, metrics=["recall"], n=2, cold_below=2)
    }
    assert {name: result.value for name, result in by_segment.items()} == {
        "new": 0.0,  # z is not among the two most popular
        "active": 1.0,
        "loyal": 1.0,
        "cold items": 0.0,
    }
    assert all(result.n_users == 1 for result in by_segment.values())
    (cold_items,) = (
        result
        for result in evaluate_segments(evaluation, train, metrics=["recall"], n=3, cold_below=2)
        if result.segment == "cold items"
    )
    assert cold_items.value == 1.0


def test_empty_segment_has_nan_metrics():
    train, test = make_past()
    evaluation = evaluate(algorithms={"p": Popularity()}, train=train, test=test, exclude_seen=False, seed=1)
    by_segment = {result.segment: result for result in evaluate_segments(evaluation, train, loyal_from=9)}
    assert by_segment["loyal"].n_users == 0
    assert np.isnan(by_segment["loyal"].value)


def test_runner_reports_metrics_beyond_accuracy():
    train, test = make_past()
    evaluation = evaluate(
        algorithms={"popularity": Popularity()}, train=train, test=test, exclude_seen=False, seed=1, ns=(2,)
    )
    assert evaluation.get_result("popularity", "novelty", 2).value == pytest.approx(0)
    assert evaluation.get_result("popularity", "gini", 2).value == pytest.approx(1 / 3)
    assert evaluation.get_result("popularity", "diversity", 2).value == pytest.approx(0, abs=1e-6)
    assert evaluation.get_result("popularity", "popularity_lift", 2).low is not None
