"""Accuracy, classes, choice of models and conformal intervals."""

import numpy as np
import pytest

from customers.demand.forecasting.accuracy import compute_quantile_loss, compute_scale, compute_scaled_errors
from customers.demand.forecasting.backtest import OriginResult, choose_models, find_slow_classes, list_origins
from customers.demand.forecasting.conformal import (
    CATEGORY,
    PRODUCT,
    SHOP,
    compute_spread,
    fit_conformal,
    measure_difficulty,
    take_quantiles,
)
from customers.demand.forecasting.demand_classes import classify_demand
from customers.demand.forecasting.reconciliation import add_up
from customers.demand.forecasting.series import DAY, Forecast, SeriesPanel
from customers.demand.forecasting.shop_forecast import forecast_shop, sum_weeks


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


def test_sums_have_intervals_of_their_own_errors():
    draws = np.random.default_rng(5)
    level = np.repeat([PRODUCT, CATEGORY, SHOP], [200, 5, 1])
    noise = np.array([1.0, 0.3, 0.1])[level][:, None]
    errors = [noise * draws.normal(size=(206, 28)) for _ in range(7)]
    usable, classes, origins = [np.ones(206, bool)] * 7, [np.zeros(206, np.int64)] * 7, list(range(100, 296, 28))
    table = fit_conformal(
        errors, classes, usable, np.array([0.1, 0.9]), 1, origins=origins, horizon=28, series_level=level
    )
    interval = table.predict(np.full((206, 28), 9.0), np.ones((206, 28)), classes[0])
    width = (interval[..., 1] - interval[..., 0]).mean(axis=1)
    for code, sigma in ((PRODUCT, 1.0), (CATEGORY, 0.3), (SHOP, 0.1)):
        assert width[level == code].mean() == pytest.approx(2 * 1.2816 * sigma, rel=0.25)


def test_the_difficulty_of_a_series_is_relative_to_its_level():
    errors = [np.array([[4.0, 4], [2, 2], [1, 1]])]
    usable = [np.ones(3, bool)]
    result = measure_difficulty(errors, usable, [10], 10, series_level=np.array([PRODUCT, PRODUCT, SHOP]))
    np.testing.assert_allclose(result, [(2 + 4 / 3) / 3, (2 + 2 / 3) / 3, 1])


def test_the_intervals_of_categories_and_shop_contain_8_of_10_values():
    inside: dict[str, list[float]] = {"days": [], "weeks": []}
    for seed in range(4):
        draws = np.random.default_rng(seed)
        weekdays = np.array([0.9, 0.9, 1, 1, 1.1, 1.3, 0.8])[np.arange(288) % 7]
        demand = draws.poisson(draws.gamma(1.2, 1.5, 80)[:, None] * weekdays).astype(float)
        group = np.arange(80) % 4
        panel = SeriesPanel(demand[:, :260], np.datetime64("2025-01-06"), DAY, np.zeros(80, np.int64), group)
        forecast = forecast_shop(panel, 4, service_level=0.95, models=("seasonal_naive", "croston", "tsb"))
        later = demand[:, 260:]
        actual = np.vstack([add_up(later, group, 4), later.sum(axis=0)[None, :]])
        week = sum_weeks(actual)
        inside["days"].append(float(((actual >= forecast.low[80:]) & (actual <= forecast.high[80:])).mean()))
        inside["weeks"].append(float(((week >= forecast.week_low[80:]) & (week <= forecast.week_high[80:])).mean()))
        assert forecast.quality.keys() >= {"coverage80", "coverage80_categories", "coverage80_shop"}
    assert np.mean(inside["days"]) == pytest.approx(0.8, abs=0.07)
    assert np.mean(inside["weeks"]) == pytest.approx(0.8, abs=0.1)
