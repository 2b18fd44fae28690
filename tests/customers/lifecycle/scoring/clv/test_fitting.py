"""Fits of purchase models: CDNOW, known parameters, and impossible fits."""

import json

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.clv import fitting
from customers.lifecycle.scoring.clv.fitting import (
    PURCHASE_MODELS,
    PurchaseModel,
    deserialize_fit,
    fit_purchase_model,
    serialize_fit,
)
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.purchase_histories import (
    DAY,
    HistoryGroups,
    PurchaseHistories,
    group_histories,
    summarize_purchases,
)
from customers.lifecycle.scoring.clv.simulation import simulate_orders
from tests.customers.lifecycle.scoring.clv import cdnow_sample

SPEND = GammaGamma(p=6.25, q=3.74, gamma=15.44)


def simulate_groups(model: PurchaseModel, customers: int, seed: int = 1, unit_days: float = 7.0) -> HistoryGroups:
    orders = simulate_orders(
        model=model, spend=SPEND, customers=customers, start=0, joining_days=90, days=364, seed=seed, unit_days=7.0
    )
    histories = summarize_purchases(
        customer=orders.customer, at=orders.at, value=orders.value, as_of=364 * DAY, clock=UTC_CLOCK
    )
    return group_histories(histories=histories, unit_days=unit_days)


def make_equal_histories(x: int, last: int, age: int, customers: int) -> HistoryGroups:
    columns = (np.full(customers, value) for value in (x, last, age))
    return group_histories(histories=PurchaseHistories(np.arange(customers), *columns, np.ones(customers)))


@pytest.mark.parametrize(
    ("name", "parameters", "log_likelihood"),
    [
        ("bg_nbd", [0.243, 4.414, 0.793, 2.426], -9582.4),
        ("pareto_nbd", [0.553, 10.578, 0.606, 11.669], -9595.0),
    ],
)
def test_cdnow_gives_the_published_parameters(name: str, parameters: list[float], log_likelihood: float) -> None:
    fit = fit_purchase_model(name=name, groups=cdnow_sample.groups())
    assert fit.customers == 2_357
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=0.05)
    assert fit.model is not None
    # three digits
    assert [float(f"{value:.3g}") for value in fit.model.to_array()] == [float(f"{value:.3g}") for value in parameters]


@pytest.mark.parametrize("name", list(PURCHASE_MODELS))
def test_the_unit_of_time_changes_only_parameters_that_are_times(name: str) -> None:
    truth = BgNbd(0.6, 5.0, 0.8, 2.4)
    weeks, days = (
        fit_purchase_model(name=name, groups=simulate_groups(truth, 3_000, unit_days=unit)) for unit in (7.0, 1.0)
    )
    assert weeks.model is not None
    assert days.model is not None
    repeats = float(simulate_groups(truth, 3_000).weight @ simulate_groups(truth, 3_000).x)
    assert days.model.to_array() == pytest.approx(
        type(weeks.model).from_rescaled(weeks.model.to_array(), 7.0).to_array(), rel=1e-6
    )
    assert weeks.log_likelihood == pytest.approx(days.log_likelihood + repeats * np.log(7.0))


@pytest.mark.parametrize(
    "truth",
    [BgNbd(0.8, 9.0, 0.8, 2.4), MbgNbd(0.8, 9.0, 0.8, 2.4), ParetoNbd(0.8, 9.0, 0.6, 12.0)],
    ids=lambda t: t.name,
)
def test_known_parameters_are_recovered(truth: PurchaseModel) -> None:
    """Within four standard errors of the logarithms, and 3 % for orders of one day being one."""
    fit = fit_purchase_model(name=truth.name, groups=simulate_groups(truth, 30_000))
    assert fit.converged
    assert fit.model is not None
    assert fit.covariance is not None
    error = np.abs(np.log(fit.model.to_array() / truth.to_array()))
    assert np.all(error < 4.0 * np.sqrt(np.diag(fit.covariance)) + 0.03)
    assert np.all(np.sqrt(np.diag(fit.covariance)) < 0.2)


def test_a_search_that_starts_on_a_sample_has_the_same_optimum_as_one_on_all_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = simulate_groups(ParetoNbd(0.8, 9.0, 0.6, 12.0), 8_000, unit_days=1.0)
    assert len(groups.x) > 1_500
    on_all = fit_purchase_model(name="pareto_nbd", groups=groups)
    monkeypatch.setattr(fitting, "SAMPLE_ROWS", 600)
    on_sample = fit_purchase_model(name="pareto_nbd", groups=groups)
    assert on_all.model is not None
    assert on_sample.model is not None
    assert on_sample.converged
    assert on_sample.log_likelihood == pytest.approx(on_all.log_likelihood, abs=2e-3)


@pytest.mark.parametrize("name", list(PURCHASE_MODELS))
@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (make_equal_histories(0, 0, 1, 0), "no_customers"),
        (make_equal_histories(0, 0, 0, 500), "no_time"),
        (make_equal_histories(0, 0, 90, 1), "no_repeats"),
        (make_equal_histories(0, 0, 90, 500), "no_repeats"),
        (make_equal_histories(3, 80, 90, 29), "few_repeat_buyers"),
    ],
)
def test_an_impossible_fit_has_a_reason(name: str, groups: HistoryGroups, reason: str) -> None:
    fit = fit_purchase_model(name=name, groups=groups)
    assert fit.reason == reason
    assert fit.reason in fitting.REASONS
    assert fit.model is None
    assert deserialize_fit(json.loads(json.dumps(serialize_fit(fit)))).reason == reason


@pytest.mark.parametrize("name", list(PURCHASE_MODELS))
@pytest.mark.parametrize(
    "groups",
    [
        make_equal_histories(3, 80, 90, 400),  # all equal
        make_equal_histories(1, 1, 900, 30),  # all dropped out
        make_equal_histories(90, 90, 90, 50),  # an order every day
        make_equal_histories(100_000, 364_000, 365_000, 40),
    ],
    ids=["alike", "all-left", "daily", "100000-orders"],
)
def test_degenerate_shops_get_bounded_parameters(name: str, groups: HistoryGroups) -> None:
    fit = fit_purchase_model(name=name, groups=groups)
    assert fit.model is not None
    assert np.isfinite(fit.model.to_array()).all()
    assert np.all(fit.model.to_array() / np.array([1, 1e6, 1, 1e6]) < 1e6)
    expected = fit.model.expected_purchases(horizon=[30.0, 365.0], x=groups.x, t_x=groups.t_x, age=groups.age)
    assert np.isfinite(expected).all()


def test_one_customer_of_100_000_orders_does_not_distort_the_others() -> None:
    groups = simulate_groups(BgNbd(0.8, 9.0, 0.8, 2.4), 3_000)
    fit_of_others = fit_purchase_model(name="bg_nbd", groups=groups)
    giant = HistoryGroups(
        np.append(groups.x, 100_000), np.append(groups.t_x, 52.0), np.append(groups.age, 52.0),
        np.append(groups.weight, 1.0), groups.row, groups.unit_days,
    )  # fmt: skip
    for name in PURCHASE_MODELS:
        fit = fit_purchase_model(name=name, groups=giant)
        assert fit.model is not None
        expected = fit.model.expected_purchases(horizon=52.0, x=giant.x, t_x=giant.t_x, age=giant.age)
        assert np.isfinite(expected).all()
        assert 30_000 < expected[-1] < 100_100
    assert fit_of_others.converged


@pytest.mark.parametrize("name", list(PURCHASE_MODELS))
def test_any_small_shop_gets_finite_results(name: str) -> None:
    draws = np.random.default_rng(8)
    for _ in range(12):
        n = int(draws.integers(1, 40))
        age = draws.integers(0, int(draws.choice([2, 30, 4_000])), n) + 1
        last = (age * draws.random(n)).astype(np.int64)
        x = np.minimum(draws.geometric(draws.choice([0.02, 0.5, 0.95]), n) - 1, last)
        last[x == 0] = 0
        groups = group_histories(histories=PurchaseHistories(np.arange(n), x, last, age, np.ones(n)))
        fit = fit_purchase_model(name=name, groups=groups, min_repeat_buyers=1)
        if not x.any():
            assert fit.reason == "no_repeats"
            continue
        model = fit.require_model(groups)
        assert np.isfinite(model.log_likelihood(x=groups.x, t_x=groups.t_x, age=groups.age)).all()
        assert np.isfinite(model.expected_purchases(horizon=365.0, x=groups.x, t_x=groups.t_x, age=groups.age)).all()


def test_a_model_rejects_another_unit_of_time() -> None:
    groups = make_equal_histories(3, 80, 90, 400)
    fit = fit_purchase_model(name="bg_nbd", groups=groups)
    assert fit.require_model(groups) == fit.model
    with pytest.raises(ValueError, match=r"units of 1\.0 days like the fit, got 7\.0"):
        fit.require_model(groups.rescale(7.0))
    with pytest.raises(ValueError, match="No purchase model was fitted: no_time"):
        fit_purchase_model(name="bg_nbd", groups=make_equal_histories(0, 0, 0, 5)).require_model(groups)


def test_fits_are_rebuilt_from_json() -> None:
    fit = fit_purchase_model(name="mbg_nbd", groups=simulate_groups(MbgNbd(0.8, 9.0, 0.8, 2.4), 500))
    rebuilt = deserialize_fit(json.loads(json.dumps(serialize_fit(fit))))
    assert rebuilt.model == fit.model
    assert serialize_fit(rebuilt) == serialize_fit(fit)
    wrong = serialize_fit(fit)
    wrong["model"]["name"] = "other"
    with pytest.raises(ValueError, match="got 'other'"):
        deserialize_fit(wrong)


def test_an_unknown_model_is_rejected() -> None:
    with pytest.raises(ValueError, match="name must be one of bg_nbd, mbg_nbd, pareto_nbd, got 'x'"):
        fit_purchase_model(name="x", groups=make_equal_histories(1, 1, 2, 40))
