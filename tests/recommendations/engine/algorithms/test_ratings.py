"""Predicted stars against answers known beforehand."""

import numpy as np
import pytest

from recommendations.engine import ALGORITHMS, Histories, Interactions
from recommendations.engine.evaluation import evaluate_ratings, rating_folds
from recommendations.engine.evaluation.splits import EmptySplitError
from recommendations.engine.ratings.baseline import RatingBaseline
from recommendations.engine.ratings.bpmf import RatingBPMF
from recommendations.engine.ratings.item_knn import RatingItemKNN
from recommendations.engine.ratings.matrix_factorization import RatingFactors
from recommendations.engine.ratings.weighted_ensemble import fit_least_squares
from tests.recommendations.engine.makers import make_seed_ratings


def make_stars(*, seed: int = 3, people: int = 60, items: int = 40) -> Interactions:
    """Three stars plus one factor of taste, half of all pairs."""
    draws = np.random.default_rng(seed)
    taste = np.outer(draws.choice([-1.0, 1.0], people), draws.choice([-1.5, 1.5], items))
    user, item = np.nonzero(draws.random((people, items)) < 0.5)
    return Interactions.from_ids(user_ids=user, item_ids=item, weight=np.clip(3 + taste[user, item], 1, 5))


def test_biases_are_the_solution_of_the_normal_equations():
    ratings = make_seed_ratings()
    n_users, n_items, m = ratings.n_users, ratings.n_items, len(ratings)
    design = np.zeros((m, n_users + n_items))
    design[np.arange(m), ratings.user] = 1
    design[np.arange(m), n_users + ratings.item] = 1
    mean = ratings.weight.mean()
    pull = np.diag([2.0] * n_users + [3.0] * n_items)
    solved = np.linalg.solve(design.T @ design + pull, design.T @ (ratings.weight - mean))
    model = RatingBaseline(user_shrinkage=2, item_shrinkage=3, sweeps=200).fit(ratings)
    np.testing.assert_allclose(model.item_biases_, solved[n_users:], atol=1e-6)
    expected = mean + solved[:n_users, None] + solved[n_users:]
    np.testing.assert_allclose(model.score(ratings.histories()), expected, atol=1e-5)


def test_item_neighbours_by_hand():
    ratings = Interactions.from_ids(
        user_ids=["a", "a", "b", "b", "c"], item_ids=["x", "y", "x", "y", "x"], weight=[5, 4, 2, 1, 4]
    )
    cosine = (5 * 4 + 2 * 1) / np.sqrt((25 + 4) * (16 + 1)) * 2 / (2 + 1)
    base = RatingBaseline(user_shrinkage=10, item_shrinkage=5).fit(ratings).score(ratings.histories())
    model = RatingItemKNN(similarity="cosine", shrinkage=1.0, damping=0.5).fit(ratings)
    np.testing.assert_allclose(model.neighbours_.toarray(), [[0, cosine], [cosine, 0]], atol=1e-6)
    deviation = 4 - base[2, 0]
    expected = base[2, 1] + cosine * deviation / (0.5 + cosine)
    assert model.predict(ratings.histories(), [2], [1])[0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("implicit", [True, False])
def test_factors_find_a_taste_that_biases_cannot_tell(implicit):
    split = rating_folds(make_stars(), seed=1)[0]
    model = RatingFactors(factors=2, epochs=60, regularisation=0.1, learning_rate=0.03, implicit=implicit)
    found = evaluate_ratings(model.fit(split.train).score, split).rmse
    assert found < 0.5 < evaluate_ratings(RatingBaseline().fit(split.train).score, split).rmse


def test_factors_by_another_seed_differ_and_too_large_a_step_is_named():
    ratings = make_stars()
    one, two = (RatingFactors(seed=seed).fit(ratings).item_vectors_ for seed in (0, 1))
    assert not np.array_equal(one, two)
    with pytest.raises(ValueError, match="learning_rate"):
        RatingFactors(learning_rate=1e4).fit(ratings)


@pytest.mark.parametrize("implicit", [True, False])
def test_sampled_factors_find_a_taste_that_biases_cannot_tell(implicit):
    split = rating_folds(make_stars(), seed=1)[0]
    model = RatingBPMF(factors=2, burn_in=40, samples=10, implicit=implicit).fit(split.train)
    found = evaluate_ratings(model.score, split).rmse
    assert found < 0.5 < evaluate_ratings(RatingBaseline().fit(split.train).score, split).rmse


def test_sampled_noise_is_that_of_the_ratings():
    draws = np.random.default_rng(2)
    user, item = np.nonzero(draws.random((150, 80)) < 0.5)
    meant = 10 + np.outer(draws.normal(size=150), draws.normal(size=80)) + draws.normal(0, 0.5, 150)[:, None]
    ratings = Interactions.from_ids(
        user_ids=user, item_ids=item, weight=meant[user, item] + draws.normal(0, 0.3, len(user))
    )
    model = RatingBPMF(factors=2, burn_in=60, samples=20).fit(ratings)
    np.testing.assert_allclose(model.noise_precisions_.mean() ** -0.5, 0.3, rtol=0.05)
    wrong = model.predict(ratings.histories(), ratings.user, ratings.item) - meant[user, item]
    assert np.sqrt(np.square(wrong).mean()) < 0.15


def test_person_of_one_sample_is_the_mean_of_the_posterior_by_hand():
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


def test_least_squares_finds_the_weights_that_made_the_ratings():
    draws = np.random.default_rng(0)
    one, two = draws.random(50), draws.random(50)
    found = fit_least_squares({"one": one, "two": two}, 0.3 + 0.7 * one - 0.2 * two)
    assert found.intercept == pytest.approx(0.3)
    assert found.weights == pytest.approx({"one": 0.7, "two": -0.2})


@pytest.mark.parametrize(
    "name", ["rating-baseline", "rating-item-knn", "rating-user-knn", "rating-factors", "rating-bpmf"]
)
def test_person_and_item_without_a_rating_get_the_mean(name):
    ratings = make_seed_ratings()
    model = ALGORITHMS[name]().fit(ratings)
    scores = model.score(Histories.of_lists([[]], n_items=3))
    assert scores.mean() == pytest.approx(ratings.weight.mean(), abs=0.35)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("rating-baseline", {"user_shrinkage": -1.0}),
        ("rating-item-knn", {"similarity": "odd"}),
        ("rating-user-knn", {"centre": "odd"}),
        ("rating-user-knn", {"damping": -1.0}),
        ("rating-factors", {"factors": 0}),
        ("rating-factors", {"regularisation": 0.0}),
        ("rating-bpmf", {"samples": 0}),
        ("rating-bpmf", {"burn_in": -1}),
        ("rating-blend", {"components": {}}),
    ],
)
def test_wrong_parameters_are_named(name, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        ALGORITHMS[name](**parameters).fit(make_seed_ratings())


def test_folds_hold_each_pair_once_and_are_the_same_by_the_same_seed():
    ratings = make_stars()
    folds = rating_folds(ratings, folds=4, seed=9)
    tested = np.concatenate([fold.test.user * ratings.n_items + fold.test.item for fold in folds])
    assert len(np.unique(tested)) == len(ratings) == len(tested)
    assert all(len(fold.train) + len(fold.test) == len(ratings) for fold in folds)
    again = rating_folds(ratings, folds=4, seed=9)
    assert all(np.array_equal(one.test.user, two.test.user) for one, two in zip(folds, again, strict=True))
    with pytest.raises(EmptySplitError, match="folds"):
        rating_folds(ratings.subset(np.arange(3)), folds=4, seed=9)


def test_figures_by_hand_with_somebody_who_lost_all_ratings():
    ratings = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "z"], weight=[5, 2, 4, 3])
    whole = rating_folds(ratings, folds=2, seed=1)[0]
    split = type(whole)(ratings.subset(np.array([0, 1])), ratings.subset(np.array([2, 3])))
    silent = evaluate_ratings(lambda histories: np.full((len(histories), 3), -np.inf, np.float32), split)
    np.testing.assert_allclose(silent.predicted, [3.5, 3.5])
    assert silent.rmse == silent.mae == pytest.approx(0.5)
    evaluated = evaluate_ratings(lambda histories: np.array([[9.0, 1.0, 2.0]], np.float32), split, n=1)
    np.testing.assert_allclose(evaluated.predicted, [5, 2])
    assert (evaluated.precision[0], evaluated.recall[0], evaluated.f1[0], evaluated.among_rated[0]) == (1, 1, 1, 1)
