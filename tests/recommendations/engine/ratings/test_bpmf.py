"""Sampled factor models of ratings on data with a known structure."""

import numpy as np
import pytest

from recommendations.engine import Histories, Interactions
from recommendations.engine.evaluation import evaluate_ratings, make_rating_folds
from recommendations.engine.ratings.baseline import RatingBaseline
from recommendations.engine.ratings.bpmf import RatingBPMF
from tests.recommendations.engine.makers import make_stars


@pytest.mark.parametrize("implicit", [True, False])
def test_sampled_factors_recover_a_taste_that_biases_cannot(implicit):
    split = make_rating_folds(make_stars(), seed=1)[0]
    model = RatingBPMF(factors=2, burn_in=40, samples=10, implicit=implicit).fit(split.train)
    error = evaluate_ratings(model.score, split).rmse
    assert error < 0.5 < evaluate_ratings(RatingBaseline().fit(split.train).score, split).rmse


def test_sampled_noise_matches_the_ratings():
    draws = np.random.default_rng(2)
    user, item = np.nonzero(draws.random((150, 80)) < 0.5)
    expected = 10 + np.outer(draws.normal(size=150), draws.normal(size=80)) + draws.normal(0, 0.5, 150)[:, None]
    ratings = Interactions.from_ids(
        user_ids=user, item_ids=item, weight=expected[user, item] + draws.normal(0, 0.3, len(user))
    )
    model = RatingBPMF(factors=2, burn_in=60, samples=20).fit(ratings)
    np.testing.assert_allclose(model.noise_precisions_.mean() ** -0.5, 0.3, rtol=0.05)
    errors = model.predict(ratings.build_histories(), ratings.user, ratings.item) - expected[user, item]
    assert np.sqrt(np.square(errors).mean()) < 0.15


def test_user_vector_is_the_posterior_mean():
    model = RatingBPMF(factors=1, samples=1)
    model.item_vectors_ = np.array([[[2.0, 0.5], [1.0, -0.5]]], np.float32)
    model.implicit_vectors_ = np.array([[[0.1, 0.2], [0.0, 0.0]]], np.float32)
    model.user_means_, model.user_precisions_ = np.array([[0.3, 0.0]]), np.array([[[2.0, 0.0], [0.0, 4.0]]])
    model.noise_precisions_, model.overall_mean_ = np.array([1.0]), np.array([3.0])
    history = Histories.of_lists([[0]], n_items=2, weights=[[5.0]])
    # residual 5 − 3 − .5 on the features (2, 1); prior mean (.3 + .1, .2)
    factor, bias = np.linalg.solve([[2 + 4, 2], [2, 4 + 1]], [2 * 0.4 + 2 * 1.5, 4 * 0.2 + 1.5])
    expected = [3 + 0.5 + 2 * factor + bias, 3 - 0.5 + factor + bias]
    np.testing.assert_allclose(model.score(history)[0], expected, rtol=1e-6)
