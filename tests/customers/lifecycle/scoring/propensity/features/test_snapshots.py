"""Predictions of the purchase model as of a time, from facts before it only."""

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.clv.fitting import fit_purchase_model
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.purchase_histories import group_histories
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, OrderLines, collect_order_lines
from customers.lifecycle.scoring.propensity.features.features import measure_features, measure_shop_gap
from customers.lifecycle.scoring.propensity.features.labels import PropensityTarget
from customers.lifecycle.scoring.propensity.features.snapshots import (
    CustomerSnapshot,
    PurchaseModelColumns,
    summarize_purchases_before,
)
from customers.lifecycle.scoring.propensity.models.array_models import (
    CurveModel,
    LogOddsEnsemble,
    ProbabilityColumnModel,
    build_model,
)
from customers.lifecycle.scoring.propensity.models.serialization import deserialize_arrays, serialize_arrays

CHURN, MONTH = PropensityTarget("churn", 30), PropensityTarget("purchase", 30)


def make_orders(n_customers: int = 200, *, until: int = 300, start: int = 0) -> OrderLines:
    draws = np.random.default_rng(4)
    customer = np.repeat(np.arange(n_customers), 8)
    at = (start + draws.uniform(0, until, len(customer))) * DAY
    return collect_order_lines(
        n_customers=n_customers,
        customer=customer,
        at=at.astype(np.int64),
        value=draws.uniform(1, 50, len(customer)),
        category=draws.integers(0, 3, len(customer)),
        n_categories=3,
        clock=UTC_CLOCK,
    )


def select_before(orders: OrderLines, cutoff: int) -> OrderLines:
    is_before = orders.at < cutoff
    assert orders.category is not None
    return collect_order_lines(
        n_customers=orders.n_customers,
        customer=orders.get_line_customers()[is_before],
        at=orders.at[is_before],
        value=orders.value[is_before],
        category=orders.category[is_before],
        n_categories=orders.n_categories,
        clock=UTC_CLOCK,
    )


def test_facts_after_a_cutoff_do_not_change_it():
    orders, cutoffs = make_orders(), [100 * DAY, 200 * DAY]
    columns = PurchaseModelColumns(orders=orders, name="mbg_nbd", cutoffs=cutoffs)
    for cutoff in cutoffs:
        columns_before = PurchaseModelColumns(
            orders=select_before(orders, cutoff), name="mbg_nbd", cutoffs=cutoffs[: cutoffs.index(cutoff) + 1]
        )
        for target in (CHURN, MONTH):
            assert (
                columns.predict(as_of=cutoff, target=target).tolist()
                == columns_before.predict(as_of=cutoff, target=target).tolist()
            )
    assert columns.is_available(cutoffs)


def test_churn_and_purchase_probabilities_add_up_to_one_for_all_buyers():
    columns = PurchaseModelColumns(orders=make_orders(), name="bg_nbd", cutoffs=[200 * DAY])
    churn, month = (columns.predict(as_of=200 * DAY, target=target) for target in (CHURN, MONTH))
    assert churn + month == pytest.approx(np.ones(200))
    assert 0 < month.min() < month.max() < 1


def test_without_a_purchase_model_the_columns_are_unavailable_for_a_reason():
    columns = PurchaseModelColumns(orders=make_orders(), name="mbg_nbd", cutoffs=[0, 200 * DAY])
    assert not columns.is_available([0, 200 * DAY])
    with pytest.raises(ValueError, match="no_customers"):
        columns.predict(as_of=0, target=MONTH)
    no_orders = make_orders().select_customers(np.empty(0, np.int64))
    assert not PurchaseModelColumns(orders=no_orders, name="mbg_nbd", cutoffs=[DAY]).is_available([DAY])


def test_a_search_from_given_parameters_has_the_same_optimum():
    orders = make_orders()
    groups = group_histories(histories=summarize_purchases_before(orders, 200 * DAY))
    default = fit_purchase_model(name="bg_nbd", groups=groups)
    continued = fit_purchase_model(name="bg_nbd", groups=groups, start=BgNbd(r=2.0, alpha=40.0, a=0.5, b=5.0))
    assert continued.log_likelihood == pytest.approx(default.log_likelihood, abs=0.01)
    assert continued.iterations < default.iterations


def test_selected_customers_have_the_same_features_as_among_all():
    orders, rows = make_orders(), np.array([3, 50, 199])
    cutoff = 200 * DAY
    fit = fit_purchase_model(
        name="mbg_nbd", groups=group_histories(histories=summarize_purchases_before(orders, cutoff))
    )
    all_customers = CustomerSnapshot(orders=orders, as_of=cutoff, fit=fit)
    selected = CustomerSnapshot(
        orders=orders.select_customers(rows), as_of=cutoff, fit=fit, shop_gap_days=all_customers.shop_gap_days
    )
    assert all_customers.shop_gap_days == measure_shop_gap(orders=orders, as_of=cutoff)
    assert selected.buyers.tolist() == [0, 1, 2]
    assert np.array_equal(selected.measure_features(np.arange(3)).matrix, all_customers.measure_features(rows).matrix)
    for target in (CHURN, MONTH):
        own_predictions, all_predictions = (
            selected.predict_with_purchase_model(target),
            all_customers.predict_with_purchase_model(target),
        )
        assert own_predictions is not None
        assert all_predictions is not None
        assert own_predictions.tolist() == all_predictions[rows].tolist()
        assert selected.is_eligible(target).tolist() == all_customers.is_eligible(target)[rows].tolist()
    assert not np.array_equal(
        measure_features(orders=orders.select_customers(rows), as_of=cutoff).matrix,
        all_customers.measure_features(rows).matrix,
    ), "three customers have another mean gap than the shop"


def test_a_customer_with_100_000_orders_before_1970_has_finite_scores():
    n_orders = 100_000
    at = np.concatenate([-np.arange(n_orders)[::-1] * DAY // 100, make_orders(start=-300).at])
    customer = np.concatenate([np.full(n_orders, 200), make_orders(start=-300).get_line_customers()])
    orders = collect_order_lines(n_customers=201, customer=customer, at=at, value=np.ones(len(at)), clock=UTC_CLOCK)
    snapshot = CustomerSnapshot(
        orders=orders,
        as_of=DAY,
        fit=fit_purchase_model(
            name="mbg_nbd", groups=group_histories(histories=summarize_purchases_before(orders, DAY))
        ),
    )
    assert np.isfinite(snapshot.measure_features(snapshot.buyers).matrix).all()
    probability = snapshot.predict_with_purchase_model(MONTH)
    assert probability is not None
    assert probability[200] > 0.99
    assert np.isfinite(probability).all()


def test_serialized_arrays_are_rebuilt_and_objects_are_rejected():
    model = LogOddsEnsemble(
        (ProbabilityColumnModel(0, mean=0.2), CurveModel(1, np.arange(3.0), np.arange(3.0) / 4, mean=0.1)),
        np.array([0.4, 0.6]),
        base=0.0,
    )
    arrays = model.to_arrays()
    rebuilt = deserialize_arrays(serialize_arrays(arrays))
    assert set(rebuilt) == set(arrays)
    for name, array in arrays.items():
        assert rebuilt[name].tolist() == np.asarray(array).tolist()
    matrix = np.array([[0.3, 1.5]], np.float32)
    assert build_model("ensemble", rebuilt).predict_margin(matrix) == pytest.approx(model.predict_margin(matrix))
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        serialize_arrays({"code": np.array([print], object)})
