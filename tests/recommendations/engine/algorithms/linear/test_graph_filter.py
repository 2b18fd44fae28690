"""The graph filter against answers by hand and dense matrices."""

import numpy as np
import pytest

from recommendations.engine import recommend
from recommendations.engine.algorithms.linear.graph_filter import GraphFilter
from tests.recommendations.engine.makers import make_checkerboard, make_random_interactions, make_three


def test_graph_filter_matches_the_calculation_by_hand():
    scores = GraphFilter().fit(make_three()).score(make_three().build_histories()).toarray()
    # R = [[1/√2, 1/2, 0], [0, 1/2, 1/2], [0, 0, 1/√2]]; RᵀR has 1/2, 1/2, 3/4 on its diagonal, xy 1/√8, yz 1/4.
    root = 1 / np.sqrt(8)
    gram = np.array([[1 / 2, root, 0], [root, 1 / 2, 1 / 4], [0, 1 / 4, 3 / 4]])
    rows = np.array([[1 / np.sqrt(2), 1 / 2, 0], [0, 1 / 2, 1 / 2], [0, 0, 1 / np.sqrt(2)]])
    np.testing.assert_allclose(scores, rows @ gram, atol=1e-6)


@pytest.mark.parametrize("rank", [0, 5])
def test_graph_filter_with_all_exponents_equals_dense_matrices(rank):
    interactions = make_random_interactions()
    model = GraphFilter(
        k=60,
        user_exponent=0.6,
        item_exponent=0.4,
        power=1.3,
        target_exponent=0.2,
        low_pass_rank=rank,
        low_pass_weight=0.7,
    ).fit(interactions)
    X = (interactions.build_user_items().toarray() > 0).astype(float)
    users, items = X.sum(axis=1), X.sum(axis=0)
    R = X * users[:, None] ** -0.6 * np.where(items > 0, items, np.inf) ** -0.4
    vectors = np.linalg.svd(R)[2][:rank].T
    expected = R @ ((R.T @ R) ** 1.3 + 0.7 * vectors @ vectors.T) * items**0.2
    scores = model.score(interactions.build_histories())
    np.testing.assert_allclose(scores if rank else scores.toarray(), expected, rtol=1e-4, atol=1e-3 if rank else 1e-6)


def test_k_keeps_the_largest_after_power_and_popularity():
    interactions = make_random_interactions()
    complete = GraphFilter(k=60, power=0.7, target_exponent=-0.5).fit(interactions).filter_.toarray()
    truncated = GraphFilter(k=4, power=0.7, target_exponent=-0.5).fit(interactions).filter_.toarray()
    for all_values, truncated_values in zip(complete, truncated, strict=True):
        np.testing.assert_allclose(np.sort(truncated_values)[-4:], np.sort(all_values)[-4:], rtol=1e-5)


@pytest.mark.parametrize("model", [GraphFilter(), GraphFilter(low_pass_rank=2)])
def test_withheld_squares_of_the_checkerboard_rank_first(model):
    board, withheld = make_checkerboard()
    first = recommend(model.fit(board), board.build_histories(), 1, exclude_seen=True).items[:, 0]
    for user, item in withheld.items():
        assert board.items.get_id(first[board.users.get_row(user)]) == item


@pytest.mark.parametrize(
    ("model", "parameter"),
    [(GraphFilter(k=0), "k"), (GraphFilter(power=0.0), "power"), (GraphFilter(low_pass_rank=-1), "low_pass_rank")],
)  # fmt: skip
def test_invalid_parameters_are_named(model, parameter):
    with pytest.raises(ValueError, match=parameter):
        model.fit(make_three())
