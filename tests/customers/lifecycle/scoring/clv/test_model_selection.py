"""The choice of a model by what happened after a cut."""

import numpy as np
import pytest

from customers.lifecycle.scoring.clv import (
    BgNbd,
    GammaGamma,
    MbgNbd,
    Model,
    ParetoNbd,
    choose_process,
    compare_by_frequency,
    compare_repeats,
    compare_weeks,
    usual_cut,
)
from customers.lifecycle.scoring.clv.purchase_histories import DAY, group_histories
from customers.lifecycle.scoring.clv.simulation import MadeOrders, make_orders
from tests.customers.lifecycle.scoring.buying import cdnow

SPEND = GammaGamma(p=2.0, q=3.7, gamma=15.0)
TRUTHS: list[Model] = [
    BgNbd(1.2, 30.0, 0.7, 1.5), MbgNbd(1.2, 30.0, 0.7, 1.5), ParetoNbd(1.2, 30.0, 0.5, 60.0),
]  # fmt: skip


def made(truth: Model, customers: int = 8_000) -> MadeOrders:
    return make_orders(model=truth, spend=SPEND, customers=customers, start=0, joining_days=200, days=600, seed=4)


def test_cdnow_is_foretold_within_5_percent_and_with_a_correlation_above_0_62() -> None:
    customer, at, value = cdnow.orders()
    choice = choose_process(customer=customer, at=at, value=value, as_of=cdnow.END, cut=cdnow.CUT, unit_days=7.0)
    assert choice.days == 273
    assert choice.reasons == {}
    bg, pareto = choice.results["bg_nbd"], choice.results["pareto_nbd"]
    assert bg.errors.correlation is not None
    assert bg.errors.correlation >= 0.62
    customers_sales = {}
    for name, result in choice.results.items():
        model = result.fit.model
        assert model is not None
        weeks = compare_weeks(model=model, unit_days=7.0, customer=customer, at=at, cut=cdnow.CUT, as_of=cdnow.END)
        customers_sales[name] = float(weeks.expected[-1] / weeks.actual[-1])
    assert customers_sales["bg_nbd"] == pytest.approx(1.0, abs=0.05)
    assert customers_sales["pareto_nbd"] == pytest.approx(1.0, abs=0.05)
    assert pareto.errors.correlation == pytest.approx(0.63, abs=0.01)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_the_process_that_made_the_orders_is_chosen(truth: Model) -> None:
    orders = made(truth)
    choice = choose_process(customer=orders.customer, at=orders.at, value=orders.value, as_of=600 * DAY, cut=300 * DAY)
    assert choice.name == truth.name
    result = choice.results[truth.name]
    assert result.errors.total_ratio == pytest.approx(1.0, abs=0.06)
    assert result.held == pytest.approx(0.8, abs=0.03)


def test_what_comes_at_or_after_as_of_changes_nothing() -> None:
    orders = made(TRUTHS[0], 600)
    both = [
        choose_process(
            customer=orders.customer[rows], at=orders.at[rows], value=orders.value[rows], as_of=400 * DAY, cut=300 * DAY
        )
        for rows in (np.ones(len(orders.at), np.bool_), orders.at < 400 * DAY)
    ]
    assert both[0].happened.tolist() == both[1].happened.tolist()
    for name, result in both[0].results.items():
        assert result.fit.model == both[1].results[name].fit.model
        assert result.log_likelihood == both[1].results[name].log_likelihood


def test_a_cut_is_brought_to_midnight_and_is_usually_at_two_thirds() -> None:
    orders = made(TRUTHS[0], 600)
    choice = choose_process(customer=orders.customer, at=orders.at, value=orders.value, as_of=600 * DAY)
    assert choice.cut % DAY == 0
    assert usual_cut(at=orders.at, as_of=600 * DAY) // DAY * DAY == choice.cut == 400 * DAY
    assert choice.days == 200


@pytest.mark.parametrize(
    ("customers", "cut", "reason"),
    [
        (0, 300, "no_customers"),
        (20, 300, "few_repeat_buyers"),
        (300, 600, "nothing_held_out"),
        (300, -5, "no_customers"),
    ],
)
def test_where_nothing_can_be_chosen_it_says_why(customers: int, cut: int, reason: str) -> None:
    orders = made(TRUTHS[0], max(customers, 1))
    rows = orders.customer < customers
    choice = choose_process(
        customer=orders.customer[rows], at=orders.at[rows], value=orders.value[rows], as_of=600 * DAY, cut=cut * DAY
    )
    assert choice.name is None
    assert choice.reasons == dict.fromkeys(["bg_nbd", "mbg_nbd", "pareto_nbd"], reason)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_expected_repeats_are_those_of_customers_made_by_the_model(truth: Model) -> None:
    orders = made(truth, 20_000)
    choice = choose_process(
        customer=orders.customer, at=orders.at, value=orders.value, as_of=600 * DAY, cut=300 * DAY, names=[]
    )
    groups = group_histories(histories=choice.before)
    repeats = compare_repeats(model=truth, groups=groups)
    assert repeats.at.tolist() == list(range(8))
    assert repeats.expected.sum() == pytest.approx(20_000)
    assert repeats.actual.sum() == 20_000
    assert repeats.expected == pytest.approx(repeats.actual, abs=4 * np.sqrt(20_000 * 0.25), rel=0.04)
    weeks = compare_weeks(
        model=truth, unit_days=1.0, customer=orders.customer, at=orders.at, cut=300 * DAY, as_of=600 * DAY
    )
    assert weeks.at.tolist() == list(range(1, 86))
    assert weeks.customers[-1] == 20_000
    assert weeks.expected[10:] == pytest.approx(weeks.actual[10:], rel=0.06)
    assert weeks.actual[-1] == choice.happened.sum() + choice.before.x.sum() - np.sum(
        (orders.at >= 595 * DAY)[
            np.r_[True, np.diff(orders.at // DAY) != 0] & np.r_[False, np.diff(orders.customer) == 0]
        ]
    )


def test_means_by_frequency_by_hand() -> None:
    found = compare_by_frequency(
        x=np.array([0, 0, 9, 7, 2]), happened=np.array([0, 1, 8, 6, 1]), expected=np.array([0.2, 0.4, 7.0, 6.0, 1.5])
    )
    assert found.at.tolist() == [0, 2, 7]
    assert found.actual.tolist() == [0.5, 1.0, 7.0]
    assert found.expected.tolist() == pytest.approx([0.3, 1.5, 6.5])
    assert found.customers.tolist() == [2, 1, 2]


def test_weeks_of_nobody_are_none() -> None:
    none = np.empty(0, np.int64)
    found = compare_weeks(model=TRUTHS[0], unit_days=1.0, customer=none, at=none, cut=0, as_of=DAY)
    assert len(found.at) == 0
