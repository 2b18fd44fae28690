"""EASE against its closed form."""

import numpy as np
import pytest

from recommendations.engine import Interactions, recommend
from recommendations.engine.algorithms.linear.ease import EASE, TooManyItemsError
from tests.recommendations.engine.makers import make_checkerboard, make_random_interactions


def test_weights_of_two_items_match_the_calculation_by_hand():
    # XᵀX = [[2, 1], [1, 2]] and λ = 1: P = [[3, -1], [-1, 3]] / 8, so both weights are 1/3.
    interactions = Interactions.from_ids(user_ids=list("aabc"), item_ids=list("xyxy"))
    model = EASE(regularization=1.0).fit(interactions)
    np.testing.assert_allclose(model.weights_.toarray(), [[0, 1 / 3], [1 / 3, 0]], rtol=1e-6)


def test_weights_equal_the_closed_form_in_double_precision():
    interactions = make_random_interactions()
    X = (interactions.build_user_items().toarray() > 0).astype(float)
    P = np.linalg.inv(X.T @ X + 5.0 * np.eye(X.shape[1]))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0)
    bought = X.sum(axis=0) > 0
    weights = EASE(regularization=5.0).fit(interactions).weights_.toarray()
    np.testing.assert_allclose(weights, B * bought * bought[:, None], atol=1e-5)


def test_largest_magnitudes_of_each_row_are_kept():
    interactions = make_random_interactions()
    complete = EASE(regularization=5.0).fit(interactions).weights_.toarray()
    truncated = EASE(regularization=5.0, k=3).fit(interactions).weights_.toarray()
    for all_values, truncated_values in zip(np.abs(complete), np.abs(truncated), strict=True):
        np.testing.assert_allclose(np.sort(truncated_values)[-3:], np.sort(all_values)[-3:], rtol=1e-6)


def test_only_the_most_bought_items_of_a_large_catalog_are_learned():
    interactions = make_random_interactions()
    user_counts = (interactions.build_user_items().toarray() > 0).sum(axis=0)
    model = EASE(max_items=10).fit(interactions)
    assert len(model.head_) == 10
    assert user_counts[model.head_].min() >= np.delete(user_counts, model.head_).max()
    scored = np.unique(model.score(interactions.build_histories()).indices)
    assert set(scored.tolist()) <= set(model.head_.tolist())


def test_error_for_a_large_catalog_names_the_limit():
    interactions = make_random_interactions()
    with pytest.raises(TooManyItemsError, match=r"max_items=10 and memory_mb=2000 allow 10.*beyond='head'"):
        EASE(max_items=10, beyond="refuse").fit(interactions)
    few = EASE(memory_mb=0.001, beyond="refuse")
    with pytest.raises(TooManyItemsError, match="allow 14"):
        few.fit(interactions)
    with pytest.raises(ValueError, match="leave no item"):
        EASE(memory_mb=0).fit(interactions)
    with pytest.raises(ValueError, match="beyond"):
        EASE(beyond="swap").fit(interactions)


@pytest.mark.parametrize("model", [EASE(regularization=1.0)])
def test_withheld_squares_of_the_checkerboard_rank_first(model):
    board, withheld = make_checkerboard()
    first = recommend(model.fit(board), board.build_histories(), 1, exclude_seen=True).items[:, 0]
    for user, item in withheld.items():
        assert board.items.get_id(first[board.users.get_row(user)]) == item


@pytest.mark.parametrize(
    ("model", "parameter"),
    [(EASE(k=0), "k"), (EASE(regularization=0.0), "regularization"),]
)  # fmt: skip
def test_invalid_parameters_are_named(model, parameter):
    with pytest.raises(ValueError, match=parameter):
        model.fit(make_random_interactions())
