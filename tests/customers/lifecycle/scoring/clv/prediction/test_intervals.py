"""Intervals have their stated coverage, checked on customers whose future is known."""

from functools import cache

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.clv.fitting import PurchaseModel, fit_purchase_model
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma, fit_gamma_gamma
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.prediction.intervals import (
    ProbabilityTransform,
    predict_intervals,
    transform_purchases,
    transform_spend,
)
from customers.lifecycle.scoring.clv.prediction.predictive_distribution import find_states, iterate_distributions
from customers.lifecycle.scoring.clv.purchase_histories import (
    DAY,
    HistoryGroups,
    PurchaseHistories,
    group_histories,
    summarize_purchases,
)
from customers.lifecycle.scoring.clv.simulation import simulate_orders

SPEND = GammaGamma(p=2.0, q=3.7, gamma=15.0)
TRUTHS: dict[str, PurchaseModel] = {  # days
    "bg_nbd": BgNbd(0.8, 60.0, 0.8, 2.4),
    "mbg_nbd": MbgNbd(0.8, 40.0, 0.5, 2.4),
    "pareto_nbd": ParetoNbd(0.8, 60.0, 0.6, 200.0),
}
CUT, YEAR = 400, 365


@cache
def simulate_known_futures(name: str) -> tuple[PurchaseHistories, HistoryGroups, np.ndarray, np.ndarray]:
    """Return the histories of 20,000 customers, and their following year.

    It has the days with an order and the spend.
    """
    orders = simulate_orders(
        model=TRUTHS[name], spend=SPEND, customers=20_000, start=-200 * DAY, joining_days=350, days=CUT + YEAR, seed=11
    )
    cutoff = (CUT - 200) * DAY
    histories = summarize_purchases(
        customer=orders.customer, at=orders.at, value=orders.value, as_of=cutoff, clock=UTC_CLOCK
    )
    later_histories = summarize_purchases(
        customer=orders.customer, at=orders.at, value=orders.value, as_of=cutoff + YEAR * DAY, clock=UTC_CLOCK
    )
    later = orders.at >= cutoff
    spent = np.bincount(orders.customer[later], orders.value[later], minlength=20_000)
    return histories, group_histories(histories=histories), later_histories.x - histories.x, spent


@pytest.mark.parametrize("name", list(TRUTHS))
def test_fitted_intervals_have_their_stated_coverage(name: str) -> None:
    histories, groups, bought, spent = simulate_known_futures(name)
    model = fit_purchase_model(name=name, groups=groups).model
    spend = fit_gamma_gamma(x=histories.x, mean_value=histories.mean_value).model
    assert model is not None
    assert spend is not None
    row = groups.row
    intervals = predict_intervals(model=model, spend=spend, groups=groups, horizon=float(YEAR))
    assert intervals.spend_low is not None
    assert intervals.spend_high is not None
    assert intervals.spend_probability is not None
    rate = spend.posterior_rate(x=histories.x, mean_value=histories.mean_value)
    for low, high, stated_probability, actual in (
        (intervals.purchases_low[row], intervals.purchases_high[row], intervals.purchases_probability[row], bought),
        (intervals.spend_low[row] * rate, intervals.spend_high[row] * rate, intervals.spend_probability[row], spent),
    ):
        is_inside = (actual >= low) & (actual <= high)
        assert is_inside.mean() == pytest.approx(stated_probability.mean(), abs=0.015)
        for part in (high > 0, low > 0, histories.x == 0, histories.x > 0):
            error = np.sqrt(0.2 * 0.8 / part.sum())
            assert is_inside[part].mean() == pytest.approx(stated_probability[part].mean(), abs=0.015 + 3 * error)
        assert 0.77 < is_inside[high > 0].mean() < 0.83
        assert is_inside.mean() > 0.77
    for transform in (
        transform_purchases(model=model, groups=groups, horizon=float(YEAR), actual=bought),
        transform_spend(
            model=model,
            spend=spend,
            groups=groups,
            horizon=float(YEAR),
            mean_value=histories.mean_value,
            actual=spent,
        ),
    ):
        assert 0.78 < transform.compute_coverage() < 0.82
        assert 0.47 < transform.compute_coverage(level=0.5) < 0.53


@pytest.mark.parametrize("name", list(TRUTHS))
def test_the_distribution_matches_many_simulated_futures(name: str) -> None:
    """One customer, drawn 200,000 times from the posterior if alive."""
    model, x, age, horizon = TRUTHS[name], 2, 300.0, 365.0
    draws = np.random.default_rng(2)
    n = 200_000
    rate = draws.gamma(model.r + x, 1 / (model.alpha + age), n)
    if isinstance(model, ParetoNbd):
        mu = draws.gamma(model.s, 1 / (model.beta + age), n)
        bought = draws.poisson(rate * np.minimum(draws.exponential(1, n) / mu, horizon))
    else:
        p = draws.beta(model.a, model.b + x + model.dropout_after_first, n)
        bought = np.minimum(draws.poisson(rate * horizon), draws.geometric(p))
    nu = draws.gamma(SPEND.q + SPEND.p * x, 1.0, n)
    u = np.where(bought > 0, draws.gamma(SPEND.p * np.maximum(bought, 1)), 0.0) / nu
    group = HistoryGroups(np.array([x]), np.array([age]), np.array([age]), np.ones(1), np.zeros(1, np.intp), 1.0)
    (distribution,) = iterate_distributions(model=model, spend=SPEND, states=find_states(group), horizon=horizon)
    for k in range(6):
        assert distribution.tails[0, k] == pytest.approx((bought >= k).mean(), abs=0.005)
    for index in range(5, 125, 15):
        assert distribution.curves[0, index] == pytest.approx((u > np.exp(distribution.log_u[index])).mean(), abs=0.005)


def test_an_inactive_customer_gets_the_interval_0_to_0_with_its_own_probability() -> None:
    groups = HistoryGroups(
        np.array([1, 40]), np.array([5.0, 398.0]), np.full(2, 400.0), np.ones(2), np.array([0, 1]), 1.0
    )
    model = TRUTHS["bg_nbd"]
    intervals = predict_intervals(model=model, spend=SPEND, groups=groups, horizon=365.0)
    assert intervals.spend_low is not None
    assert intervals.spend_high is not None
    assert intervals.spend_probability is not None
    none = (
        1.0
        - model.probability_alive(x=groups.x, t_x=groups.t_x, age=groups.age)[0]
        * model.purchase_tails_if_alive(horizon=365.0, x=1, age=np.array([400.0]), max_purchases=1)[0, 1]
    )
    assert none > 0.8
    assert (intervals.purchases_low[0], intervals.purchases_high[0]) == (0, 0)
    assert (intervals.spend_low[0], intervals.spend_high[0]) == (0.0, 0.0)
    assert intervals.purchases_probability[0] == intervals.spend_probability[0] == pytest.approx(none)
    assert 0 < intervals.purchases_low[1] < intervals.purchases_high[1]
    assert 0 < intervals.spend_low[1] < intervals.spend_high[1]
    assert intervals.spend_probability[1] == 0.8
    assert intervals.purchases_probability[1] == pytest.approx(0.8, abs=0.03)


def test_intervals_of_higher_levels_contain_those_of_lower_levels() -> None:
    _, groups, _, _ = simulate_known_futures("pareto_nbd")
    model = TRUTHS["pareto_nbd"]
    narrow, wide = (
        predict_intervals(model=model, spend=SPEND, groups=groups, horizon=365.0, level=level) for level in (0.5, 0.9)
    )
    assert np.all(wide.purchases_low <= narrow.purchases_low)
    assert np.all(wide.purchases_high >= narrow.purchases_high)
    assert wide.spend_low is not None
    assert narrow.spend_low is not None
    assert np.all(wide.spend_low <= narrow.spend_low)


@pytest.mark.parametrize("name", list(TRUTHS))
def test_a_customer_with_100_000_orders_gets_an_interval_around_the_expected_value(name: str) -> None:
    groups = HistoryGroups(
        np.array([100_000]), np.array([700.0]), np.array([700.0]), np.ones(1), np.zeros(1, np.intp), 1.0
    )
    intervals = predict_intervals(model=TRUTHS[name], spend=SPEND, groups=groups, horizon=365.0)
    assert 10_000 < intervals.purchases_low[0] < intervals.purchases_high[0] < 50_000
    assert intervals.spend_low is not None
    assert intervals.spend_high is not None
    rate = SPEND.posterior_rate(x=groups.x, mean_value=np.array([30.0]))[0]
    assert 0.3e6 < intervals.spend_low[0] * rate < intervals.spend_high[0] * rate < 1.6e6


def test_values_on_a_border_count_by_their_share() -> None:
    assert ProbabilityTransform(np.array([0.0]), np.array([1.0])).compute_coverage() == pytest.approx(0.8)
    assert ProbabilityTransform(np.array([0.0]), np.array([0.2])).compute_coverage() == pytest.approx(0.5)
    assert ProbabilityTransform(np.array([0.4, 0.95]), np.array([0.4, 0.95])).compute_coverage() == pytest.approx(0.5)


def test_invalid_arguments_are_rejected() -> None:
    _, groups, _, _ = simulate_known_futures("bg_nbd")
    for horizon in (0.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="horizon must be finite and greater than 0"):
            predict_intervals(model=TRUTHS["bg_nbd"], spend=None, groups=groups, horizon=horizon)
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        predict_intervals(model=TRUTHS["bg_nbd"], spend=None, groups=groups, horizon=1.0, level=1.0)
