"""Weights of the rating ensemble."""

import numpy as np
import pytest

from recommendations.engine.ratings.weighted_ensemble import fit_least_squares


def test_least_squares_recovers_the_weights():
    draws = np.random.default_rng(0)
    first, second = draws.random(50), draws.random(50)
    fit = fit_least_squares({"one": first, "two": second}, 0.3 + 0.7 * first - 0.2 * second)
    assert fit.intercept == pytest.approx(0.3)
    assert fit.weights == pytest.approx({"one": 0.7, "two": -0.2})
