"""Item-based kNN against known answers."""

import numpy as np
import pytest

from recommendations.engine import ALGORITHMS, recommend
from recommendations.engine.algorithms.neighbors.item_knn import ItemKNN
from tests.recommendations.engine.makers import (
    make_checkerboard,
    make_random_interactions,
)


@pytest.mark.parametrize("name", ["item-knn"])
def test_withheld_squares_of_the_checkerboard_rank_first(name):
    board, withheld = make_checkerboard()
    model = ALGORITHMS[name]().fit(board)
    first = recommend(model, board.build_histories(), 1, exclude_seen=True).items[:, 0]
    for user, item in withheld.items():
        assert board.items.get_id(first[board.users.get_row(user)]) == item


def test_item_similarity_is_the_cosine_of_the_columns():
    interactions = make_random_interactions()
    matrix = interactions.build_user_items().toarray().astype(float)
    norms = np.linalg.norm(matrix, axis=0)
    expected = matrix.T @ matrix / np.maximum(np.outer(norms, norms), 1e-12)
    np.fill_diagonal(expected, 0)
    model = ItemKNN(k=interactions.n_items).fit(interactions)
    np.testing.assert_allclose(model.neighbors_.toarray(), expected, atol=1e-5)


def test_item_similarity_shrinks_when_few_users_have_both():
    interactions = make_random_interactions()
    matrix = interactions.build_user_items().toarray()
    common = (matrix > 0).T.astype(float) @ (matrix > 0)
    plain = ItemKNN(k=interactions.n_items).fit(interactions).neighbors_.toarray()
    shrunk = ItemKNN(k=interactions.n_items, shrinkage=10.0).fit(interactions).neighbors_.toarray()
    np.testing.assert_allclose(shrunk, plain * common / (common + 10), atol=1e-6)


def test_k_keeps_the_largest_similarities_nearest_first():
    interactions = make_random_interactions()
    everything = ItemKNN(k=interactions.n_items).fit(interactions)
    truncated = ItemKNN(k=4).fit(interactions)
    for item in range(interactions.n_items):
        np.testing.assert_array_equal(truncated.find_similar(item)[0], everything.find_similar(item)[0][:4])
        assert (np.diff(truncated.find_similar(item)[1]) <= 0).all()


def test_item_is_its_own_neighbor_only_with_self():
    interactions = make_random_interactions()
    assert ItemKNN().fit(interactions).neighbors_.diagonal().sum() == 0
    bought = np.unique(interactions.item)
    np.testing.assert_allclose(
        ItemKNN(with_self=True, k=60).fit(interactions).neighbors_.diagonal()[bought], 1.0, atol=1e-5
    )


@pytest.mark.parametrize("parameters", [{"k": 0}, {"shrinkage": -1.0}, {"weighting": "heavy"}])
@pytest.mark.parametrize("name", ["item-knn"])
def test_invalid_parameters_are_named(name, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        ALGORITHMS[name](**parameters).fit(make_random_interactions())
