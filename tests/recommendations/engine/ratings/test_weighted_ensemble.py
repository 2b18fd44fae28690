"""Weights of the rating ensemble."""

import numpy as np
import pytest

from recommendations.engine.ratings.weighted_ensemble import fit_least_squares


def test_least_squares_recovers_the_weights():
    draws = np.random.default_rng(0)
    one, two = draws.random(50), draws.random(50)
    found = fit_least_squares({"one": one, "two": two}, 0.3 + 0.7 * one - 0.2 * two)
    assert found.intercept == pytest.approx(0.3)
    assert found.weights == pytest.approx({"one": 0.7, "two": -0.2})
