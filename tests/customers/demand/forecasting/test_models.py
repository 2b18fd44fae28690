"""Known answers of the models of demand."""

from pathlib import Path

import numpy as np
import pytest

from customers.demand.forecasting.models.auto_ets import AutoEts
from customers.demand.forecasting.models.chronos2 import Chronos2
from customers.demand.forecasting.models.croston import Croston, smooth_croston
from customers.demand.forecasting.models.global_lag import GlobalLag
from customers.demand.forecasting.models.lag_features import FeatureBuilder
from customers.demand.forecasting.models.seasonal_naive import SeasonalNaive
from customers.demand.forecasting.models.tsb import Tsb, smooth_tsb
from customers.demand.forecasting.series import DAY, SeriesPanel, fill_closed_days, fill_stock_outs
from customers.demand.series_reading import find_closed_days, last_sale

WEEK_PROFILE = np.array([10.0, 12.0, 14.0, 16.0, 18.0, 30.0, 4.0])


def make_panel(quantity: np.ndarray, **more: object) -> SeriesPanel:
    n_series = len(quantity)
    zeros = np.zeros(n_series, np.int64)
    return SeriesPanel(quantity, np.datetime64("2026-01-05"), DAY, zeros, zeros - 1, **more)  # type: ignore[arg-type]


def make_seasonal(n_series: int, n_periods: int, growth: float = 0.0, noise: float = 0.0) -> np.ndarray:
    draws = np.random.default_rng(1)
    level = np.linspace(1, 4, n_series)[:, None]
    season = np.resize(WEEK_PROFILE, n_periods)[None, :]
    trend = 1 + growth * np.arange(n_periods)[None, :]
    return np.maximum(level * season * trend * (1 + noise * draws.normal(size=(n_series, n_periods))), 0)


def test_seasonal_naive_repeats_the_last_week():
    forecast = SeasonalNaive().forecast(make_panel(make_seasonal(2, 21)), 9)
    np.testing.assert_allclose(forecast.mean[0], np.resize(WEEK_PROFILE, 9))


def test_auto_ets_continues_season_and_trend():
    quantity = make_seasonal(1, 140, growth=0.01)
    forecast = AutoEts().forecast(make_panel(quantity[:, :126]), 14)
    np.testing.assert_allclose(forecast.mean, quantity[:, 126:], rtol=0.05)


def test_global_lag_learns_season_and_level_of_every_series():
    quantity = make_seasonal(12, 140, noise=0.05)
    forecast = GlobalLag().forecast(make_panel(quantity[:, :126]), 14)
    truth = np.linspace(1, 4, 12)[:, None] * np.resize(WEEK_PROFILE, 14)[None, :]
    assert (np.abs(forecast.median - truth) / truth).mean() < 0.06
    assert (np.abs(forecast.mean - truth) / truth).mean() < 0.06


def test_features_know_nothing_after_the_origin():
    quantity = make_seasonal(3, 84, noise=0.2)
    changed = quantity.copy()
    changed[:, 60:] = 999
    price = np.full_like(quantity, 2.0)
    price_changed = price.copy()
    price_changed[:, 60:] = 9
    one = FeatureBuilder(make_panel(quantity, price=price), 7).build(60)
    other = FeatureBuilder(make_panel(changed, price=price_changed), 7).build(60)
    np.testing.assert_array_equal(one.matrix, other.matrix)
    np.testing.assert_array_equal(one.scale, other.scale)


def test_croston_by_hand():
    # sizes 4 and 8, interval 3 → with 2 after 1 period at α = ½: size 4, interval 2
    assert smooth_croston(np.array([[0.0, 4, 0, 0, 8, 0]]), 0.5)[0] == pytest.approx(6 / 3)
    assert smooth_croston(np.array([[0.0, 4, 0, 0, 8, 2]]), 0.5)[0] == pytest.approx(4 / 2)
    assert smooth_croston(np.array([[0.0, 4, 0, 0]]), 0.5)[0] == pytest.approx(4 / 3)
    assert smooth_croston(np.zeros((1, 5)), 0.5)[0] == 0


def test_tsb_by_hand():
    # after the first demand, p: 0, then ½ with a demand of 8, which makes the size 6, then ¼ without
    assert smooth_tsb(np.array([[0.0, 4, 0]]), 0.5, 0.5)[0] == 0
    assert smooth_tsb(np.array([[0.0, 4, 0, 8]]), 0.5, 0.5)[0] == pytest.approx(0.5 * 6)
    assert smooth_tsb(np.array([[0.0, 4, 0, 8, 0]]), 0.5, 0.5)[0] == pytest.approx(0.25 * 6)


@pytest.mark.parametrize("days", [28, 56])
@pytest.mark.parametrize("model", [Croston(), Tsb()], ids=lambda model: model.key)
def test_the_time_before_the_first_sale_is_no_time_without_demand(model: Croston | Tsb, days: int):
    # each product is known since its first sale and sells 4 units on about every fourth day: 1 a day
    sold = np.random.default_rng(2).random((2000, days)) < 0.25
    sold[:, 0] = True
    known = 4.0 * sold[sold.sum(axis=1) >= 3]
    forecast = model.forecast(make_panel(known), 1).mean
    later = np.hstack([np.zeros((len(known), 400)), known])
    np.testing.assert_allclose(model.forecast(make_panel(later), 1).mean, forecast)
    assert forecast.mean() == pytest.approx(1, abs=0.2)


def test_a_stock_out_is_filled_with_the_weeks_before_the_last_sale():
    usual = np.resize(WEEK_PROFILE, 28)
    quantity = np.stack([usual, usual])
    quantity[:, 18] = 99  # the last sale is not repeated, and does not count itself
    quantity[:, 19:] = 0
    filled = fill_stock_outs(quantity, np.array([18, 18]), np.array([0, 0]), np.array([True, False]), 7)
    np.testing.assert_allclose(filled, [usual, quantity[1]])
    # known for three days before it was sold out: only the last sale itself is certain
    young = np.where((np.arange(28) >= 16) & (np.arange(28) < 19), 5.0, 0)[None, :]
    filled = fill_stock_outs(young, np.array([18]), np.array([16]), np.array([True]), 7)
    np.testing.assert_array_equal(np.flatnonzero(filled[0]), [16, 17, 18, 23, 24])


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("out_days", [2, 60])
def test_the_demand_of_a_sold_out_product_is_not_overestimated(rate: float, out_days: int):
    # the stock ended with a sale, so that the last day before a stock-out always has one
    demand = np.random.default_rng(1).poisson(rate, (3000, 400)).astype(float)
    last = last_sale(demand[:, :-out_days])
    sold = np.where(np.arange(400) > last[:, None], 0, demand)
    filled = fill_stock_outs(sold, last, (sold > 0).argmax(axis=1), np.ones(3000, bool), 7)
    is_unknown = np.arange(400) > last[:, None]
    assert filled[is_unknown].mean() == pytest.approx(rate, rel=0.1)
    assert smooth_tsb(filled, 0.1, 0.05).mean() == pytest.approx(rate, rel=0.1)


def test_a_closed_day_is_filled_with_the_usual_weekday():
    usual = np.resize(WEEK_PROFILE, 28)[None, :]
    is_closed = np.isin(np.arange(28), [19, 26])
    np.testing.assert_allclose(fill_closed_days(np.where(is_closed, 0, usual), is_closed, 7), usual)


def test_a_shop_without_any_sale_was_closed_unless_it_sells_little():
    busy = np.array([[12.0, 0, 9, 30], [15.0, 0, 20, 0]])
    assert find_closed_days(busy).tolist() == [False, True, False, False]
    assert not find_closed_days(busy / 10).any()


def test_chronos_gets_known_series_and_needs_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        Chronos2(tmp_path).forecast(make_panel(make_seasonal(2, 21)), 3)

    class Pipeline:
        def predict_quantiles(
            self, inputs: list[np.ndarray], *, prediction_length: int, quantile_levels: list[float]
        ) -> tuple[list[np.ndarray], None]:
            shape = (1, prediction_length, len(quantile_levels))
            return [np.broadcast_to(values[-1] * np.array(quantile_levels) ** 2, shape) for values in inputs], None

    model = Chronos2(tmp_path)
    monkeypatch.setitem(model.__dict__, "pipeline", Pipeline())
    panel = make_panel(np.array([[0.0] * 11 + [8], [0.0] * 11 + [6]]))
    panel.first[1] = 11
    forecast = model.forecast(panel, 2)
    np.testing.assert_allclose(forecast.median, [[2, 2], [0.5, 0.5]])  # the second is too short: its mean
    np.testing.assert_allclose(forecast.mean[0], 8 * np.mean((np.arange(1, 20) / 20) ** 2))
