"""The rating baseline against the normal equations."""

import numpy as np

from recommendations.engine.ratings.baseline import RatingBaseline
from tests.recommendations.engine.makers import make_seed_ratings


def test_biases_solve_the_normal_equations():
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
    np.testing.assert_allclose(model.score(ratings.build_histories()), expected, atol=1e-5)
