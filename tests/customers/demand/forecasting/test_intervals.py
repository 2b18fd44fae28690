"""Accuracy, classes, choice of models and conformal intervals."""

import numpy as np
import pytest

from customers.demand.forecasting.accuracy import compute_quantile_loss, compute_scale, compute_scaled_errors
from customers.demand.forecasting.backtest import OriginResult, choose_models, find_slow_classes, list_origins
from customers.demand.forecasting.conformal import (
    compute_spread,
    fit_conformal,
    measure_difficulty,
    take_quantiles,
)
from customers.demand.forecasting.demand_classes import classify_demand
from customers.demand.forecasting.series import Forecast


def test_mase_by_hand():
    quantity = np.array([[1.0, 2, 3, 5, 4, 6]])
    scale = compute_scale(quantity, np.array([0]), 2)  # |3−1|, |5−2|, |4−3|, |6−5|
    assert scale[0] == pytest.approx(7 / 4)
    assert compute_scaled_errors(np.array([[4.0, 6]]), np.array([[5.0, 9]]), scale)[0] == pytest.approx(2 / 1.75)


def test_quantile_loss_by_hand():
    actual, quantiles = np.array([[10.0]]), np.array([[[8.0, 13.0]]])
    # 0.1 · 2 and 0.1 · 3, doubled, over two levels and a demand of 10
    assert compute_quantile_loss(actual, quantiles, np.array([0.1, 0.9])) == pytest.approx(2 * 0.5 / 20)


def test_demand_classes():
    even, uneven = np.array([4.0, 5, 4, 5] * 4), np.array([1.0, 20, 1, 1] * 4)
    rare = np.array([4.0, 0, 0, 5] * 4)
    lumpy = np.array([1.0, 0, 0, 20, 0, 0, 1, 0] * 2)
    assert classify_demand(np.stack([even, uneven, rare, lumpy]), np.zeros(4, np.int64)).tolist() == [0, 1, 2, 3]


def test_origins_end_before_the_test():
    assert list_origins(100, 10, 3) == [70, 80, 90]
    assert list_origins(100, 10, 2, end=80, step=5) == [65, 70]


def test_the_better_model_of_each_class_is_chosen():
    n_series = 80
    actual = np.ones((n_series, 4))
    classes = np.repeat([0, 1], n_series // 2)
    right = np.where(classes[:, None] == 0, 1.0, 3.0) * np.ones((1, 4))
    wrong = 4 - right
    result = OriginResult(
        50,
        {"a": Forecast(right, right), "b": Forecast(wrong, wrong)},
        actual,
        np.ones(n_series),
        classes,
        np.ones(n_series, bool),
    )
    assert choose_models([result], ["a", "b"], 3) == ["a", "b", "a"]


def test_conformal_quantiles_are_ranks():
    scores = np.arange(1.0, 10.0)
    assert take_quantiles(scores, np.array([0.1, 0.5, 0.9])).tolist() == [1, 5, 9]


def test_difficulty_by_hand():
    errors = [np.array([[1.0, -1], [3, 3]]), np.array([[2.0, 2], [2, 2]]), np.array([[9.0, 9], [9, 9]])]
    usable = [np.array([True, True])] * 2 + [np.array([True, False])]
    # origin 10: ½ and 1.5 times the mean; 20: 1 and 1; 30: 1 of the only known series
    result = measure_difficulty(errors, usable, [10, 20, 30], 10)
    np.testing.assert_allclose(result, [(2 + 0.5 + 1 + 1) / 5, (2 + 1.5 + 1) / 4])
    left_out = measure_difficulty(errors, usable, [10, 20, 30], 11, target=20)  # overlaps with both neighbours
    np.testing.assert_allclose(left_out, [1, 1])


def test_a_slow_model_competes_on_its_series_and_only_for_small_classes():
    n_series = 80
    actual = np.ones((n_series, 4))
    classes = np.repeat([0, 1], [20, 60])
    exact = np.where(classes[:, None] == 0, actual, np.nan)
    forecasts = {"seasonal_naive": Forecast(2 * actual, 2 * actual), "auto_ets": Forecast(exact, exact)}
    results = [
        OriginResult(origin, forecasts, actual, np.ones(n_series), classes, np.ones(n_series, bool))
        for origin in (50, 60)
    ]
    assert choose_models(results, list(forecasts), 2) == ["auto_ets", "seasonal_naive"]
    assert find_slow_classes(classes, 3, 30) == [0, 2]
    assert find_slow_classes(classes, 2, None) == [0, 1]


def test_conformal_intervals_cover():
    draws = np.random.default_rng(5)
    n_series, horizon = 400, 6
    level = draws.uniform(1, 30, n_series)[:, None]
    demand = draws.negative_binomial(3, 3 / (3 + level), size=(4, n_series, horizon)).astype(float)
    center = np.broadcast_to(level, (n_series, horizon))
    scale = level[:, 0] ** 0.8
    spread = compute_spread(center, scale)
    classes, usable = (level[:, 0] > 10).astype(np.int64), np.ones(n_series, bool)
    table = fit_conformal(
        [(part - center) / spread for part in demand[:3]], [classes] * 3, [usable] * 3, np.array([0.1, 0.9]), 2
    )
    interval = table.predict(center, spread, classes)
    inside = (demand[3] >= interval[..., 0]) & (demand[3] <= interval[..., 1])
    for code in (0, 1):
        assert 0.75 < inside[classes == code].mean() < 0.86
