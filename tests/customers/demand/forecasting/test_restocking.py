"""Reorder points, reconciliation and new products, by hand."""

import numpy as np
import pytest
import scipy.stats

from customers.demand.forecasting.new_products import forecast_new_products
from customers.demand.forecasting.reconciliation import reconcile
from customers.demand.forecasting.restocking import (
    RestockPlan,
    StockPosition,
    compute_expected_excess,
    compute_order_quantity,
    estimate_return_rates,
    plan_restock,
)
from customers.demand.forecasting.shop_forecast import GRID


def make_position(stock: list[float], **more: float) -> StockPosition:
    def repeat(value: float) -> np.ndarray:
        return np.full(len(stock), value)

    values = {"incoming": 0.0, "cost": 4.0, "margin": 6.0, "returned": 0.0, "pack_size": 1.0, "minimum": 1.0} | more
    lead = np.full(len(stock), 5)
    return StockPosition(
        stock=np.array(stock), lead_days=lead, **{name: repeat(value) for name, value in values.items()}
    )


def plan(position: StockPosition) -> RestockPlan:
    n = len(position.stock)
    return plan_restock(
        position,
        np.full((n, 28), 10.0),
        np.full(n, 85.0),
        np.array([[40.0, 50.0, 60.0, 70.0]] * n),
        review_days=2,
        order_cost=20.0,
        holding_rate=0.25,
    )


def test_returned_units_that_are_sold_again_need_not_be_ordered():
    result = plan(make_position(stock=[60.0, 62.0], returned=0.2))
    assert result.reorder_point.tolist() == [71, 71]  # 85 − 0.2 · 70
    assert result.safety_stock.tolist() == [15, 15]  # 71 − 0.8 · 70
    # Q = √(2 · 2920 · 20 ÷ 1) = 341.8; 71 − 60 + 341.8, rounded up
    assert result.order_quantity.tolist() == [353, 351]
    # 10 of 50 come back, so the stock lasts for 70: only the tail of a fifth, (70 − 60) ÷ ln 2 above 70, is lost
    np.testing.assert_allclose(result.lost_units, [0.2 * 14.427, 0.2 * 14.427 * np.exp(-2 / 14.427)], rtol=1e-4)


def test_incoming_stock_counts_and_orders_are_whole_packs():
    assert plan(make_position(stock=[60.0], incoming=30.0)).order_quantity.tolist() == [0]  # 90 > 85
    assert plan(make_position(stock=[60.0], incoming=10.0, pack_size=12.0)).order_quantity.tolist() == [
        408
    ]  # 398 → 34 packs
    assert plan(make_position(stock=[60.0], pack_size=100.0, minimum=600.0)).order_quantity.tolist() == [600]


def test_return_rates_of_few_sales_stay_near_that_of_all_products():
    rates = estimate_return_rates(np.array([980.0, 20.0]), np.array([90.0, 10.0]))  # 10% of all
    np.testing.assert_allclose(rates, [92 / 1000, 12 / 40])


def test_reorder_point_and_quantity_by_hand():
    # 10 units a day, 5 days of delivery and 2 until the next look: 70 expected, 85 at the service level
    position = make_position(stock=[60.0, 120.0])
    result = plan(position)
    assert result.reorder_point.tolist() == [85, 85]
    assert result.safety_stock.tolist() == [15, 15]
    # Q = √(2 · 3650 · 20 ÷ 1) = 382.1; 85 − 60 + 382.1, rounded up
    assert result.order_quantity.tolist() == [408, 0]
    assert result.days_left.tolist() == [0, 4]  # 120 − 85 = 35 units, used up during the fourth day
    # a fifth lies between 60 and 70, and a fifth is on average (70 − 60) ÷ ln 2 above 70
    np.testing.assert_allclose(result.lost_units, [0.2 * (5 + 24.427), 0.2 * 14.427 * np.exp(-50 / 14.427)], rtol=1e-4)
    np.testing.assert_allclose(result.money_at_risk, 6 * result.lost_units)


@pytest.mark.parametrize("limit", [0, 10, 20, 30, 35, 40])
def test_expected_excess_has_the_tail_above_the_last_quantile(limit: int):
    demand = scipy.stats.nbinom(20 / 3, 1 / 4)  # mean 20, variance 80
    units = np.arange(400)
    exact = float((np.maximum(units - limit, 0) * demand.pmf(units)).sum())
    excess = compute_expected_excess(demand.ppf(GRID)[None, :], np.array([limit]))
    assert excess[0] == pytest.approx(exact, rel=0.1)


def test_expected_excess_without_spread_is_the_difference():
    assert compute_expected_excess(np.full((2, 19), 3.0), np.array([1.0, 5.0])).tolist() == pytest.approx([2, 0])


def test_order_quantity_without_a_cost_is_four_weeks():
    assert compute_order_quantity(np.array([365.0]), 20, np.array([0.0]))[0] == pytest.approx(28)
    assert compute_order_quantity(np.array([2.0]), 500, np.array([0.1]))[0] == 2  # at most a year


def test_reconciled_forecasts_add_up_exactly_and_move_the_uncertain():
    products = np.array([[4.0], [6.0], [5.0]])
    category = np.array([0, 0, 1])
    weights = (np.array([1.0, 3.0, 1.0]), np.array([1e-9, 1e-9]), 1e9)
    bottom, middle, top = reconcile(
        products, np.array([[14.0], [5.0]]), np.array([99.0]), category=category, weights=weights
    )
    np.testing.assert_allclose(bottom[:, 0], [5, 9, 5], atol=1e-6)  # 4 missing units, 1 : 3
    np.testing.assert_array_equal(middle[:, 0], [bottom[:2, 0].sum(), bottom[2, 0]])
    np.testing.assert_array_equal(top, middle.sum(axis=0))


def test_reconciliation_equals_weighted_least_squares():
    draws = np.random.default_rng(2)
    category = np.array([0, 0, 1, 1, 1])
    summing = np.vstack([np.eye(5), np.eye(2)[category].T, np.ones((1, 5))])
    base = summing @ draws.uniform(50, 60, (5, 3)) + draws.normal(size=(8, 3))
    variance = draws.uniform(1, 3, 8)
    inverse = np.diag(1 / variance)
    expected = np.linalg.solve(summing.T @ inverse @ summing, summing.T @ inverse @ base)
    weights = (variance[:5], variance[5:7], float(variance[7]))
    bottom, _middle, _top = reconcile(base[:5], base[5:7], base[7], category=category, weights=weights)
    np.testing.assert_allclose(bottom, expected)


def test_a_new_product_starts_like_its_category_and_finds_its_own_level():
    category_mean = np.array([[20.0, 40.0]])  # ten products: 3 a period on average
    arguments = {"product_counts": np.array([10]), "category": np.array([0]), "prior_periods": 10.0}
    unsold = forecast_new_products(category_mean, sold=np.array([0.0]), periods=np.array([0]), **arguments)
    np.testing.assert_allclose(unsold, [[2, 4]])
    known = forecast_new_products(category_mean, sold=np.array([90.0]), periods=np.array([10]), **arguments)
    np.testing.assert_allclose(known, [[4, 8]])  # (90 + 30) ÷ 20 = 6
