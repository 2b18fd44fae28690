"""What the buying process says beside the features, as of a moment and never from later."""

import numpy as np
import pytest

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


def make_orders(people: int = 200, *, until: int = 300, start: int = 0) -> OrderLines:
    draws = np.random.default_rng(4)
    customer = np.repeat(np.arange(people), 8)
    at = (start + draws.uniform(0, until, len(customer))) * DAY
    return collect_order_lines(
        n_customers=people,
        customer=customer,
        at=at.astype(np.int64),
        value=draws.uniform(1, 50, len(customer)),
        category=draws.integers(0, 3, len(customer)),
        n_categories=3,
    )


def before(orders: OrderLines, cut: int) -> OrderLines:
    kept = orders.at < cut
    assert orders.category is not None
    return collect_order_lines(
        n_customers=orders.n_customers,
        customer=orders.get_line_customers()[kept],
        at=orders.at[kept],
        value=orders.value[kept],
        category=orders.category[kept],
        n_categories=orders.n_categories,
    )


def test_facts_after_a_cutoff_do_not_change_it():
    orders, cuts = make_orders(), [100 * DAY, 200 * DAY]
    all_of_it = PurchaseModelColumns(orders=orders, name="mbg_nbd", cutoffs=cuts)
    for cut in cuts:
        alone = PurchaseModelColumns(orders=before(orders, cut), name="mbg_nbd", cutoffs=cuts[: cuts.index(cut) + 1])
        for target in (CHURN, MONTH):
            assert (
                all_of_it.predict(as_of=cut, target=target).tolist() == alone.predict(as_of=cut, target=target).tolist()
            )
    assert all_of_it.is_available(cuts)


def test_churn_and_purchase_probabilities_add_up_to_one_for_all_buyers():
    columns = PurchaseModelColumns(orders=make_orders(), name="bg_nbd", cutoffs=[200 * DAY])
    churn, month = (columns.predict(as_of=200 * DAY, target=target) for target in (CHURN, MONTH))
    assert churn + month == pytest.approx(np.ones(200))
    assert 0 < month.min() < month.max() < 1


def test_where_the_process_cannot_be_had_it_says_so():
    columns = PurchaseModelColumns(orders=make_orders(), name="mbg_nbd", cutoffs=[0, 200 * DAY])
    assert not columns.is_available([0, 200 * DAY])
    with pytest.raises(ValueError, match="no_customers"):
        columns.predict(as_of=0, target=MONTH)
    nobody = make_orders().select_customers(np.empty(0, np.int64))
    assert not PurchaseModelColumns(orders=nobody, name="mbg_nbd", cutoffs=[DAY]).is_available([DAY])


def test_the_search_for_parameters_ends_where_it_would_without_a_neighbour():
    orders = make_orders()
    groups = group_histories(histories=summarize_purchases_before(orders, 200 * DAY))
    usual = fit_purchase_model(name="bg_nbd", groups=groups)
    near = fit_purchase_model(name="bg_nbd", groups=groups, start=BgNbd(r=2.0, alpha=40.0, a=0.5, b=5.0))
    assert near.log_likelihood == pytest.approx(usual.log_likelihood, abs=0.01)
    assert near.iterations < usual.iterations


def test_some_customers_look_as_they_do_among_all():
    orders, rows = make_orders(), np.array([3, 50, 199])
    cut = 200 * DAY
    fit = fit_purchase_model(name="mbg_nbd", groups=group_histories(histories=summarize_purchases_before(orders, cut)))
    whole = CustomerSnapshot(orders=orders, as_of=cut, fit=fit)
    some = CustomerSnapshot(orders=orders.select_customers(rows), as_of=cut, fit=fit, shop_gap_days=whole.shop_gap_days)
    assert whole.shop_gap_days == measure_shop_gap(orders=orders, as_of=cut)
    assert some.buyers.tolist() == [0, 1, 2]
    assert np.array_equal(some.measure_features(np.arange(3)).matrix, whole.measure_features(rows).matrix)
    for target in (CHURN, MONTH):
        mine, theirs = some.predict_with_purchase_model(target), whole.predict_with_purchase_model(target)
        assert mine is not None
        assert theirs is not None
        assert mine.tolist() == theirs[rows].tolist()
        assert some.is_eligible(target).tolist() == whole.is_eligible(target)[rows].tolist()
    assert not np.array_equal(
        measure_features(orders=orders.select_customers(rows), as_of=cut).matrix, whole.measure_features(rows).matrix
    ), "the shop's rhythm is not that of three of its customers"


def test_a_customer_of_a_hundred_thousand_orders_before_1970_is_scored_like_any_other():
    many = 100_000
    at = np.concatenate([-np.arange(many)[::-1] * DAY // 100, make_orders(start=-300).at])
    customer = np.concatenate([np.full(many, 200), make_orders(start=-300).get_line_customers()])
    orders = collect_order_lines(n_customers=201, customer=customer, at=at, value=np.ones(len(at)))
    snapshot = CustomerSnapshot(
        orders=orders,
        as_of=DAY,
        fit=fit_purchase_model(
            name="mbg_nbd", groups=group_histories(histories=summarize_purchases_before(orders, DAY))
        ),
    )
    assert np.isfinite(snapshot.measure_features(snapshot.buyers).matrix).all()
    chance = snapshot.predict_with_purchase_model(MONTH)
    assert chance is not None
    assert chance[200] > 0.99
    assert np.isfinite(chance).all()


def test_arrays_survive_serialization_and_other_bytes_are_rejected():
    model = LogOddsEnsemble(
        (ProbabilityColumnModel(0, mean=0.2), CurveModel(1, np.arange(3.0), np.arange(3.0) / 4, mean=0.1)),
        np.array([0.4, 0.6]),
        base=0.0,
    )
    arrays = model.to_arrays()
    found = deserialize_arrays(serialize_arrays(arrays))
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].tolist() == np.asarray(array).tolist()
    matrix = np.array([[0.3, 1.5]], np.float32)
    assert build_model("ensemble", found).predict_margin(matrix) == pytest.approx(model.predict_margin(matrix))
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        serialize_arrays({"code": np.array([print], object)})
