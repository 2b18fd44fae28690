"""Graph filter and random walks against answers worked out by hand or with dense matrices."""

import numpy as np
import pytest

from recommendations.engine import Histories, Interactions, recommend
from recommendations.engine.algorithms.linear.graph_filter import GraphFilter
from recommendations.engine.algorithms.linear.rp3beta import RP3Beta
from recommendations.engine.linear_algebra.low_rank import compute_right_singular_vectors
from tests.recommendations.engine.makers import make_checkerboard, make_random_interactions


def make_three() -> Interactions:
    """a has x and y, b has y and z, c has z: sums of rows 2, 2, 1, of columns 1, 2, 2."""
    return Interactions.from_ids(user_ids=list("aabbc"), item_ids=list("xyyzz"))


def test_graph_filter_by_hand():
    scores = GraphFilter().fit(make_three()).score(make_three().histories()).toarray()
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
    X = (interactions.user_items().toarray() > 0).astype(float)
    users, items = X.sum(axis=1), X.sum(axis=0)
    R = X * users[:, None] ** -0.6 * np.where(items > 0, items, np.inf) ** -0.4
    vectors = np.linalg.svd(R)[2][:rank].T
    expected = R @ ((R.T @ R) ** 1.3 + 0.7 * vectors @ vectors.T) * items**0.2
    scores = model.score(interactions.histories())
    np.testing.assert_allclose(scores if rank else scores.toarray(), expected, rtol=1e-4, atol=1e-3 if rank else 1e-6)


def test_k_keeps_the_largest_after_power_and_popularity():
    interactions = make_random_interactions()
    whole = GraphFilter(k=60, power=0.7, target_exponent=-0.5).fit(interactions).filter_.toarray()
    cut = GraphFilter(k=4, power=0.7, target_exponent=-0.5).fit(interactions).filter_.toarray()
    for all_values, kept in zip(whole, cut, strict=True):
        np.testing.assert_allclose(np.sort(kept)[-4:], np.sort(all_values)[-4:], rtol=1e-5)


def test_walks_by_hand():
    # From y: to a or b by 1/2 each; a goes on to x or y, b to y or z by 1/2; from x: to a, then y by 1/2.
    model = RP3Beta(damping=0.0).fit(make_three())
    np.testing.assert_allclose(model.walks_.toarray(), [[0, 1 / 2, 0], [1 / 4, 0, 1 / 4], [0, 1 / 4, 0]])
    damped = RP3Beta(damping=1.0).fit(make_three())
    np.testing.assert_allclose(damped.walks_.toarray(), [[0, 1 / 4, 0], [1 / 4, 0, 1 / 8], [0, 1 / 8, 0]])
    scores = model.score(Histories.of_lists([[0, 2]], n_items=3)).toarray()
    np.testing.assert_allclose(scores, [[0, 1 / 2 * (1 / 2 + 1 / 4), 0]])


def test_exponent_changes_each_step():
    model = RP3Beta(damping=0.0, exponent=2.0).fit(make_three())
    np.testing.assert_allclose(model.walks_.toarray(), [[0, 1 / 4, 0], [1 / 16, 0, 1 / 16], [0, 1 / 16, 0]])


@pytest.mark.parametrize("model", [GraphFilter(), GraphFilter(low_pass_rank=2), RP3Beta()])
def test_withheld_squares_of_the_checkerboard_come_back_first(model):
    board, withheld = make_checkerboard()
    first = recommend(model.fit(board), board.histories(), 1, exclude_seen=True).items[:, 0]
    for user, item in withheld.items():
        assert board.items.id(first[board.users.row(user)]) == item


def test_singular_vectors_span_what_the_exact_ones_do():
    matrix = make_random_interactions().user_items()
    found = compute_right_singular_vectors(matrix, 6, seed=1)
    exact = np.linalg.svd(matrix.toarray())[2][:6].T
    np.testing.assert_allclose(found.T @ found, np.eye(6), atol=1e-5)
    np.testing.assert_allclose(found @ found.T, exact @ exact.T, atol=2e-3)


def test_more_singular_vectors_than_the_matrix_has_are_cut_to_those_there_are():
    board, _ = make_checkerboard()
    matrix = board.user_items()
    assert compute_right_singular_vectors(matrix, 50, seed=0).shape == (8, np.linalg.matrix_rank(matrix.toarray()))
    assert compute_right_singular_vectors(matrix, 0, seed=0).shape == (8, 0)


@pytest.mark.parametrize(
    ("model", "named"),
    [(GraphFilter(k=0), "k"), (GraphFilter(power=0.0), "power"), (GraphFilter(low_pass_rank=-1), "low_pass_rank"),
     (RP3Beta(k=0), "k"), (RP3Beta(exponent=0.0), "exponent")],
)  # fmt: skip
def test_wrong_parameters_are_named(model, named):
    with pytest.raises(ValueError, match=named):
        model.fit(make_three())
