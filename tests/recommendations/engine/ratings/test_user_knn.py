"""User-based rating prediction against known answers."""

import numpy as np
import pytest

from recommendations.engine import Interactions
from recommendations.engine.ratings.user_knn import RatingUserKNN
from tests.recommendations.engine.makers import (
    make_seed_ratings,
)


def test_similarities_of_five_users_match_the_known_values():
    ratings = make_seed_ratings()
    similar = RatingUserKNN().fit(ratings).compute_user_similarities(ratings.build_histories())[0]
    np.testing.assert_allclose(similar[1:], [0.94, 0.8854, 0.8929, 0.94], atol=5e-5)
    assert similar[0] == 0, "no user is their own neighbor"


def test_prediction_without_centering_matches_the_known_value():
    ratings = make_seed_ratings()
    model = RatingUserKNN(k=4, center="none").fit(ratings)
    assert model.predict(ratings.build_histories(), [0], [1])[0] == pytest.approx(2.771, abs=5e-4)


def test_prediction_with_means_matches_the_calculation_by_hand():
    ratings = make_seed_ratings()
    sims = np.array([47 / 50, 42 / np.sqrt(50 * 45), 34 / np.sqrt(50 * 29), 47 / 50])
    deviations = np.array([4 - 4, 2 - 11 / 3, 2 - 3, 3 - 4])
    model = RatingUserKNN(k=4).fit(ratings)
    assert model.predict(ratings.build_histories(), [0], [1])[0] == pytest.approx(
        4 + sims @ deviations / sims.sum(), abs=1e-5
    )


def test_only_the_k_nearest_raters_count_and_ties_go_to_the_first():
    ratings = make_seed_ratings()
    model = RatingUserKNN(k=1, center="none").fit(ratings)
    assert model.predict(ratings.build_histories(), [0], [1])[0] == pytest.approx(4.0)


def test_pearson_with_shrinkage_matches_the_calculation_by_hand():
    ratings = make_seed_ratings()
    rows = np.array([[4, 5, 3], [3, 4, 5], [5, 2, 4], [3, 2, 4], [5, 3, 4]], float)
    expected = np.corrcoef(rows)[0, 1:] * 3 / (3 + 2)
    model = RatingUserKNN(similarity="pearson", shrinkage=2.0).fit(ratings)
    np.testing.assert_allclose(model.compute_user_similarities(ratings.build_histories())[0, 1:], expected, atol=1e-6)


def test_pearson_is_zero_for_a_user_with_constant_ratings():
    ratings = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"], weight=[3, 3, 1, 5])
    model = RatingUserKNN(similarity="pearson").fit(ratings)
    assert (model.compute_user_similarities(ratings.build_histories()) == 0).all()


def test_newest_of_several_ratings_counts():
    ratings = Interactions.from_ids(user_ids=["a", "a", "b"], item_ids=["x", "x", "x"], weight=[5, 1, 4])
    model = RatingUserKNN(center="none").fit(ratings)
    assert model.predict(ratings.build_histories(), [1], [0])[0] == pytest.approx(1.0)


def test_rating_without_raters_is_the_user_mean_or_missing_without_means():
    ratings = Interactions.from_ids(user_ids=["a", "a", "b"], item_ids=["x", "y", "z"], weight=[5, 1, 4])
    assert RatingUserKNN().fit(ratings).predict(ratings.build_histories(), [0], [2])[0] == pytest.approx(3.0)
    assert RatingUserKNN(center="none").fit(ratings).predict(ratings.build_histories(), [0], [2])[0] == -np.inf
