"""User and item neighbors against answers known beforehand."""

import numpy as np
import pytest

from recommendations.engine import ALGORITHMS, Histories, Interactions, recommend
from recommendations.engine.algorithms.neighbors.item_knn import ItemKNN
from recommendations.engine.algorithms.neighbors.user_knn import UserKNN
from recommendations.engine.ratings.user_knn import RatingUserKNN
from tests.recommendations.engine.makers import make_checkerboard, make_random_interactions, make_seed_ratings


def test_similarities_of_the_five_users_of_the_seed():
    ratings = make_seed_ratings()
    similar = RatingUserKNN().fit(ratings).similarities(ratings.histories())[0]
    np.testing.assert_allclose(similar[1:], [0.94, 0.8854, 0.8929, 0.94], atol=5e-5)
    assert similar[0] == 0, "nobody is a neighbour of themselves"


def test_implicit_neighbours_have_the_same_cosines():
    ratings = make_seed_ratings()
    near = UserKNN(k=4, weighting="raw").fit(ratings).neighbours(ratings.histories()).toarray()[0]
    np.testing.assert_allclose(near, [0, 0.94, 0.8854, 0.8929, 0.94], atol=5e-5)


def test_plain_prediction_for_the_first_user_and_second_item_of_the_seed():
    ratings = make_seed_ratings()
    model = RatingUserKNN(k=4, centre="none").fit(ratings)
    assert model.predict(ratings.histories(), [0], [1])[0] == pytest.approx(2.771, abs=5e-4)


def test_prediction_with_means_by_hand():
    ratings = make_seed_ratings()
    sims = np.array([47 / 50, 42 / np.sqrt(50 * 45), 34 / np.sqrt(50 * 29), 47 / 50])
    deviations = np.array([4 - 4, 2 - 11 / 3, 2 - 3, 3 - 4])
    model = RatingUserKNN(k=4).fit(ratings)
    assert model.predict(ratings.histories(), [0], [1])[0] == pytest.approx(
        4 + sims @ deviations / sims.sum(), abs=1e-5
    )


def test_only_the_k_nearest_raters_count_and_the_first_of_equals_wins():
    ratings = make_seed_ratings()
    model = RatingUserKNN(k=1, centre="none").fit(ratings)
    assert model.predict(ratings.histories(), [0], [1])[0] == pytest.approx(4.0)


def test_pearson_by_hand_with_shrinkage():
    ratings = make_seed_ratings()
    rows = np.array([[4, 5, 3], [3, 4, 5], [5, 2, 4], [3, 2, 4], [5, 3, 4]], float)
    expected = np.corrcoef(rows)[0, 1:] * 3 / (3 + 2)
    model = RatingUserKNN(similarity="pearson", shrinkage=2.0).fit(ratings)
    np.testing.assert_allclose(model.similarities(ratings.histories())[0, 1:], expected, atol=1e-6)


def test_pearson_with_somebody_who_rates_everything_alike_is_zero():
    ratings = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"], weight=[3, 3, 1, 5])
    model = RatingUserKNN(similarity="pearson").fit(ratings)
    assert (model.similarities(ratings.histories()) == 0).all()


def test_newest_of_several_ratings_counts():
    ratings = Interactions.from_ids(user_ids=["a", "a", "b"], item_ids=["x", "x", "x"], weight=[5, 1, 4])
    model = RatingUserKNN(centre="none").fit(ratings)
    assert model.predict(ratings.histories(), [1], [0])[0] == pytest.approx(1.0)


def test_rating_nobody_can_predict_is_the_persons_mean_or_without_means_nothing():
    ratings = Interactions.from_ids(user_ids=["a", "a", "b"], item_ids=["x", "y", "z"], weight=[5, 1, 4])
    assert RatingUserKNN().fit(ratings).predict(ratings.histories(), [0], [2])[0] == pytest.approx(3.0)
    assert RatingUserKNN(centre="none").fit(ratings).predict(ratings.histories(), [0], [2])[0] == -np.inf


@pytest.mark.parametrize("name", ["user-knn", "item-knn"])
def test_withheld_squares_of_the_checkerboard_come_back_first(name):
    board, withheld = make_checkerboard()
    model = ALGORITHMS[name]().fit(board)
    first = recommend(model, board.histories(), 1, exclude_seen=True).items[:, 0]
    for user, item in withheld.items():
        assert board.items.id(first[board.users.row(user)]) == item


def test_item_similarity_is_the_cosine_of_the_columns():
    interactions = make_random_interactions()
    matrix = interactions.user_items().toarray().astype(float)
    norms = np.linalg.norm(matrix, axis=0)
    expected = matrix.T @ matrix / np.maximum(np.outer(norms, norms), 1e-12)
    np.fill_diagonal(expected, 0)
    model = ItemKNN(k=interactions.n_items).fit(interactions)
    np.testing.assert_allclose(model.neighbours_.toarray(), expected, atol=1e-5)


def test_item_similarity_shrinks_with_few_common_people():
    interactions = make_random_interactions()
    matrix = interactions.user_items().toarray()
    common = (matrix > 0).T.astype(float) @ (matrix > 0)
    plain = ItemKNN(k=interactions.n_items).fit(interactions).neighbours_.toarray()
    shrunk = ItemKNN(k=interactions.n_items, shrinkage=10.0).fit(interactions).neighbours_.toarray()
    np.testing.assert_allclose(shrunk, plain * common / (common + 10), atol=1e-6)


def test_k_keeps_the_largest_similarities_nearest_first():
    interactions = make_random_interactions()
    everything = ItemKNN(k=interactions.n_items).fit(interactions)
    cut = ItemKNN(k=4).fit(interactions)
    for item in range(interactions.n_items):
        np.testing.assert_array_equal(cut.similar(item)[0], everything.similar(item)[0][:4])
        assert (np.diff(cut.similar(item)[1]) <= 0).all()


def test_an_item_is_its_own_neighbour_only_if_asked():
    interactions = make_random_interactions()
    assert ItemKNN().fit(interactions).neighbours_.diagonal().sum() == 0
    bought = np.unique(interactions.item)
    np.testing.assert_allclose(
        ItemKNN(with_self=True, k=60).fit(interactions).neighbours_.diagonal()[bought], 1.0, atol=1e-5
    )


def test_person_known_to_the_model_is_left_out_of_their_own_neighbours():
    board, _ = make_checkerboard()
    model = UserKNN(k=8).fit(board)
    assert model.neighbours(board.histories()).diagonal().sum() == 0
    stranger = Histories.of_matrix(board.user_items())
    assert (model.neighbours(stranger).diagonal() > 0.99).all()


@pytest.mark.parametrize("parameters", [{"k": 0}, {"shrinkage": -1.0}, {"weighting": "heavy"}])
@pytest.mark.parametrize("name", ["user-knn", "item-knn"])
def test_wrong_parameters_are_named(name, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        ALGORITHMS[name](**parameters).fit(make_random_interactions())
