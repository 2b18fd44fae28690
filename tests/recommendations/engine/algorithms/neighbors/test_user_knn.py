"""User-based kNN against known answers."""

import numpy as np
import pytest

from recommendations.engine import ALGORITHMS, Histories, recommend
from recommendations.engine.algorithms.neighbors.user_knn import UserKNN
from tests.recommendations.engine.makers import (
    make_checkerboard,
    make_random_interactions,
    make_seed_ratings,
)


def test_neighbors_have_the_known_cosines():
    ratings = make_seed_ratings()
    near = UserKNN(k=4, weighting="raw").fit(ratings).find_neighbors(ratings.build_histories()).toarray()[0]
    np.testing.assert_allclose(near, [0, 0.94, 0.8854, 0.8929, 0.94], atol=5e-5)


@pytest.mark.parametrize("name", ["user-knn"])
def test_withheld_squares_of_the_checkerboard_rank_first(name):
    board, withheld = make_checkerboard()
    model = ALGORITHMS[name]().fit(board)
    first = recommend(model, board.build_histories(), 1, exclude_seen=True).items[:, 0]
    for user, item in withheld.items():
        assert board.items.get_id(first[board.users.get_row(user)]) == item


def test_known_user_is_left_out_of_their_own_neighbors():
    board, _ = make_checkerboard()
    model = UserKNN(k=8).fit(board)
    assert model.find_neighbors(board.build_histories()).diagonal().sum() == 0
    stranger = Histories.of_matrix(board.build_user_items())
    assert (model.find_neighbors(stranger).diagonal() > 0.99).all()


@pytest.mark.parametrize("parameters", [{"k": 0}, {"shrinkage": -1.0}, {"weighting": "heavy"}])
@pytest.mark.parametrize("name", ["user-knn"])
def test_invalid_parameters_are_named(name, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        ALGORITHMS[name](**parameters).fit(make_random_interactions())
