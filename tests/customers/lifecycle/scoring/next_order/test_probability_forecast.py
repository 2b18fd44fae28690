"""Days of the next order from purchase probabilities."""

import numpy as np
import pytest

from customers.lifecycle.scoring.next_order.probability_forecast import find_order_quantiles

HORIZONS = np.array([7.0, 30.0, 90.0])


def test_a_constant_hazard_gives_the_quantiles_of_an_exponential_distribution():
    purchase = 1.0 - np.exp(-HORIZONS / 20.0)
    days = find_order_quantiles(purchase=purchase[None, :], horizon_days=HORIZONS)
    assert days[0] == pytest.approx(-20.0 * np.log([0.75, 0.5, 0.25]))


def test_the_likeliest_day_is_within_a_horizon_with_a_probability_of_at_least_one_half():
    draws = np.random.default_rng(1)
    purchase = np.sort(draws.random((500, 3)), axis=1)
    likeliest = find_order_quantiles(purchase=purchase, horizon_days=HORIZONS)[:, 1]
    for column, horizon in enumerate(HORIZONS):
        assert np.array_equal(likeliest <= horizon, purchase[:, column] >= 0.5)


def test_a_day_that_is_never_reached_is_infinite():
    days = find_order_quantiles(purchase=np.array([[0.3, 0.6, 0.6], [0.0, 0.0, 0.0]]), horizon_days=HORIZONS)
    assert np.isfinite(days[0, :2]).all()
    assert np.isinf(days[0, 2])
    assert np.isinf(days[1]).all()
