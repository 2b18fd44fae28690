"""The selection of a purchase model by the orders after a cutoff."""

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.clv.fit_diagnostics import compare_by_frequency, compare_repeats, compare_weeks
from customers.lifecycle.scoring.clv.fitting import PurchaseModel
from customers.lifecycle.scoring.clv.model_selection import find_default_cutoff, select_purchase_model
from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd
from customers.lifecycle.scoring.clv.models.gamma_gamma import GammaGamma
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.models.pareto_nbd import ParetoNbd
from customers.lifecycle.scoring.clv.purchase_histories import DAY, group_histories
from customers.lifecycle.scoring.clv.simulation import SimulatedOrders, simulate_orders
from tests.customers.lifecycle.scoring.clv import cdnow_sample

SPEND = GammaGamma(p=2.0, q=3.7, gamma=15.0)
TRUTHS: list[PurchaseModel] = [
    BgNbd(1.2, 30.0, 0.7, 1.5), MbgNbd(1.2, 30.0, 0.7, 1.5), ParetoNbd(1.2, 30.0, 0.5, 60.0),
]  # fmt: skip


def simulate_shop(truth: PurchaseModel, customers: int = 8_000) -> SimulatedOrders:
    return simulate_orders(model=truth, spend=SPEND, customers=customers, start=0, joining_days=200, days=600, seed=4)


def test_cdnow_is_predicted_within_5_percent_and_with_a_correlation_above_0_62() -> None:
    customer, at, value = cdnow_sample.orders()
    selection = select_purchase_model(
        customer=customer,
        at=at,
        value=value,
        as_of=cdnow_sample.END,
        cutoff=cdnow_sample.CUT,
        unit_days=7.0,
        clock=UTC_CLOCK,
    )
    assert selection.held_out_days == 273
    assert selection.reasons == {}
    bg, pareto = selection.results["bg_nbd"], selection.results["pareto_nbd"]
    assert bg.errors.correlation is not None
    assert bg.errors.correlation >= 0.62
    ratios = {}
    for name, result in selection.results.items():
        model = result.fit.model
        assert model is not None
        weeks = compare_weeks(
            model=model,
            unit_days=7.0,
            customer=customer,
            at=at,
            cutoff=cdnow_sample.CUT,
            as_of=cdnow_sample.END,
            clock=UTC_CLOCK,
        )
        ratios[name] = float(weeks.expected[-1] / weeks.actual[-1])
    assert ratios["bg_nbd"] == pytest.approx(1.0, abs=0.05)
    assert ratios["pareto_nbd"] == pytest.approx(1.0, abs=0.05)
    assert pareto.errors.correlation == pytest.approx(0.63, abs=0.01)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_the_model_that_generated_the_orders_is_selected(truth: PurchaseModel) -> None:
    orders = simulate_shop(truth)
    selection = select_purchase_model(
        customer=orders.customer, at=orders.at, value=orders.value, as_of=600 * DAY, cutoff=300 * DAY, clock=UTC_CLOCK
    )
    assert selection.name == truth.name
    result = selection.results[truth.name]
    assert result.errors.total_ratio == pytest.approx(1.0, abs=0.06)
    assert result.coverage == pytest.approx(0.8, abs=0.03)


def test_orders_at_or_after_as_of_change_nothing() -> None:
    orders = simulate_shop(TRUTHS[0], 600)
    selections = [
        select_purchase_model(
            customer=orders.customer[rows],
            at=orders.at[rows],
            value=orders.value[rows],
            as_of=400 * DAY,
            cutoff=300 * DAY,
            clock=UTC_CLOCK,
        )
        for rows in (np.ones(len(orders.at), np.bool_), orders.at < 400 * DAY)
    ]
    assert selections[0].actual.tolist() == selections[1].actual.tolist()
    for name, result in selections[0].results.items():
        assert result.fit.model == selections[1].results[name].fit.model
        assert result.log_likelihood == selections[1].results[name].log_likelihood


def test_a_cutoff_is_moved_to_midnight_and_defaults_to_two_thirds() -> None:
    orders = simulate_shop(TRUTHS[0], 600)
    selection = select_purchase_model(
        customer=orders.customer, at=orders.at, value=orders.value, as_of=600 * DAY, clock=UTC_CLOCK
    )
    assert selection.cutoff % DAY == 0
    assert find_default_cutoff(at=orders.at, as_of=600 * DAY) // DAY * DAY == selection.cutoff == 400 * DAY
    assert selection.held_out_days == 200


@pytest.mark.parametrize(
    ("customers", "cutoff_day", "reason"),
    [
        (0, 300, "no_customers"),
        (20, 300, "few_repeat_buyers"),
        (300, 600, "nothing_held_out"),
        (300, -5, "no_customers"),
    ],
)
def test_an_impossible_selection_has_a_reason(customers: int, cutoff_day: int, reason: str) -> None:
    orders = simulate_shop(TRUTHS[0], max(customers, 1))
    rows = orders.customer < customers
    selection = select_purchase_model(
        customer=orders.customer[rows],
        at=orders.at[rows],
        value=orders.value[rows],
        as_of=600 * DAY,
        cutoff=cutoff_day * DAY,
        clock=UTC_CLOCK,
    )
    assert selection.name is None
    assert selection.reasons == dict.fromkeys(["bg_nbd", "mbg_nbd", "pareto_nbd"], reason)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_expected_repeats_match_customers_simulated_by_the_model(truth: PurchaseModel) -> None:
    orders = simulate_shop(truth, 20_000)
    selection = select_purchase_model(
        customer=orders.customer,
        at=orders.at,
        value=orders.value,
        as_of=600 * DAY,
        cutoff=300 * DAY,
        names=[],
        clock=UTC_CLOCK,
    )
    groups = group_histories(histories=selection.calibration_histories)
    repeats = compare_repeats(model=truth, groups=groups)
    assert repeats.position.tolist() == list(range(8))
    assert repeats.expected.sum() == pytest.approx(20_000)
    assert repeats.actual.sum() == 20_000
    assert repeats.expected == pytest.approx(repeats.actual, abs=4 * np.sqrt(20_000 * 0.25), rel=0.04)
    weeks = compare_weeks(
        model=truth,
        unit_days=1.0,
        customer=orders.customer,
        at=orders.at,
        cutoff=300 * DAY,
        as_of=600 * DAY,
        clock=UTC_CLOCK,
    )
    assert weeks.position.tolist() == list(range(1, 86))
    assert weeks.customers[-1] == 20_000
    assert weeks.expected[10:] == pytest.approx(weeks.actual[10:], rel=0.06)
    assert weeks.actual[-1] == selection.actual.sum() + selection.calibration_histories.x.sum() - np.sum(
        (orders.at >= 595 * DAY)[
            np.r_[True, np.diff(orders.at // DAY) != 0] & np.r_[False, np.diff(orders.customer) == 0]
        ]
    )


def test_means_by_frequency_match_those_computed_by_hand() -> None:
    comparison = compare_by_frequency(
        x=np.array([0, 0, 9, 7, 2]), actual=np.array([0, 1, 8, 6, 1]), expected=np.array([0.2, 0.4, 7.0, 6.0, 1.5])
    )
    assert comparison.position.tolist() == [0, 2, 7]
    assert comparison.actual.tolist() == [0.5, 1.0, 7.0]
    assert comparison.expected.tolist() == pytest.approx([0.3, 1.5, 6.5])
    assert comparison.customers.tolist() == [2, 1, 2]


def test_no_customers_have_no_weeks() -> None:
    empty = np.empty(0, np.int64)
    comparison = compare_weeks(
        model=TRUTHS[0], unit_days=1.0, customer=empty, at=empty, cutoff=0, as_of=DAY, clock=UTC_CLOCK
    )
    assert len(comparison.position) == 0
