"""The correction of intervals is learned from earlier cuts, and holds on later orders."""

from functools import cache

import numpy as np
import pytest

from config.foundation.array_types import Floats, Ints
from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.clv.fitting import fit_purchase_model
from customers.lifecycle.scoring.clv.interval_learning import (
    MIN_CUSTOMERS,
    LearnedIntervals,
    find_nominal_level,
    learn_intervals,
    list_cuts,
    make_monotone,
    merge_small_classes,
    sample_customers,
)
from customers.lifecycle.scoring.clv.prediction.interval_calibration import UNCORRECTED, measure_yearly_rate
from customers.lifecycle.scoring.clv.prediction.intervals import ProbabilityTransform, transform_purchases
from customers.lifecycle.scoring.clv.purchase_histories import DAY, group_histories, summarize_purchases

type Shop = tuple[Ints, Ints, Floats]

DAYS = 400
CUT, HORIZON = 218, 182
NOBODY = np.empty(0, np.int64)


@cache
def simulate_shop(*, weekly_drift: float, customers: int = 900, seed: int = 3) -> Shop:
    """Return the orders of customers whose logarithm of the purchase rate takes a random step every week."""
    draws = np.random.default_rng(seed)
    rate = draws.gamma(2.0, 1 / 20.0, customers)
    steps = draws.normal(0.0, weekly_drift, (customers, DAYS // 7 + 1)) if weekly_drift else np.zeros((customers, 58))
    path = np.exp(np.cumsum(steps, axis=1) - weekly_drift**2 / 2 * np.arange(1, steps.shape[1] + 1))
    buys = draws.random((customers, DAYS)) < -np.expm1(-rate[:, None] * np.repeat(path, 7, axis=1)[:, :DAYS])
    buys[:, 0] = True
    customer, day = np.nonzero(buys)
    return customer.astype(np.int64), day.astype(np.int64) * DAY, draws.gamma(4.0, 5.0, len(day))


@cache
def learn(*, weekly_drift: float) -> LearnedIntervals:
    customer, at, value = simulate_shop(weekly_drift=weekly_drift)
    return learn_intervals(customer=customer, at=at, value=value, as_of=CUT * DAY, name="mbg_nbd", clock=UTC_CLOCK)


def measure_coverage(*, weekly_drift: float) -> tuple[float, float]:
    """Return the coverage of the 182 days after the cut, uncorrected and corrected."""
    customer, at, value = simulate_shop(weekly_drift=weekly_drift)
    before, later = (
        summarize_purchases(customer=customer, at=at, value=value, as_of=day * DAY, clock=UTC_CLOCK)
        for day in (CUT, CUT + HORIZON)
    )
    groups = group_histories(histories=before)
    model = fit_purchase_model(name="mbg_nbd", groups=groups).model
    assert model is not None
    rate = measure_yearly_rate(r=model.r, alpha=model.alpha, groups=groups)[groups.row]
    shares = []
    for calibration in (UNCORRECTED, learn(weekly_drift=weekly_drift).calibration):
        transform = transform_purchases(
            model=model,
            groups=groups,
            horizon=float(HORIZON),
            actual=later.x - before.x,
            drift=calibration.drift_days,
        )
        levels = calibration.find_levels(quantity="purchases", rate=rate, horizon_days=HORIZON)
        shares.append(transform.compute_coverage(level=levels))
    return shares[0], shares[1]


def test_drift_is_found_and_intervals_hold_at_a_horizon_longer_than_any_cut() -> None:
    learned = learn(weekly_drift=0.15)
    table = learned.calibration.tables["purchases"]
    assert np.isfinite(learned.calibration.drift_days)
    assert table.horizon_days.max() < HORIZON
    uncorrected, corrected = measure_coverage(weekly_drift=0.15)
    assert uncorrected < 0.72
    assert 0.77 < corrected < 0.84


def test_without_drift_nothing_is_forgotten_and_intervals_keep_holding() -> None:
    assert learn(weekly_drift=0.0).calibration.drift_days == np.inf
    uncorrected, corrected = measure_coverage(weekly_drift=0.0)
    assert uncorrected == pytest.approx(0.8, abs=0.03)
    assert corrected == pytest.approx(uncorrected, abs=0.03)


def test_levels_do_not_fall_with_the_horizon() -> None:
    for weekly_drift in (0.0, 0.15):
        for table in learn(weekly_drift=weekly_drift).calibration.tables.values():
            assert np.all(np.diff(table.levels, axis=0) >= 0)
            assert table.rate_starts[0] == 0


def test_held_coverage_is_that_of_orders_that_the_correction_did_not_know() -> None:
    held = learn(weekly_drift=0.15).held
    assert {coverage.quantity for coverage in held} == {"purchases", "spend"}
    for coverage in held:
        assert coverage.cutoff == (CUT - coverage.horizon_days) * DAY
        assert coverage.customers == 900
        assert coverage.share == pytest.approx(0.8, abs=0.06)


def test_orders_after_the_moment_change_nothing() -> None:
    customer, at, value = simulate_shop(weekly_drift=0.15)
    known = at < CUT * DAY
    again = learn_intervals(
        customer=customer[known], at=at[known], value=value[known], as_of=CUT * DAY, name="mbg_nbd", clock=UTC_CLOCK
    )
    expected = learn(weekly_drift=0.15)
    assert again.held == expected.held
    for quantity, table in expected.calibration.tables.items():
        assert again.calibration.tables[quantity].levels.tolist() == table.levels.tolist()


@pytest.mark.parametrize(
    ("customers", "name", "days"), [(100, "mbg_nbd", CUT), (0, "mbg_nbd", CUT), (900, None, CUT), (900, "mbg_nbd", 20)]
)
def test_a_shop_that_is_too_small_or_too_young_is_not_corrected(customers: int, name: str | None, days: int) -> None:
    customer, at, value = simulate_shop(weekly_drift=0.15)
    rows = customer < customers
    learned = learn_intervals(
        customer=customer[rows], at=at[rows], value=value[rows], as_of=days * DAY, name=name, clock=UTC_CLOCK
    )
    assert learned.calibration == UNCORRECTED


def test_customers_whose_amounts_cannot_be_compared_count_for_purchases_only() -> None:
    customer, at, value = simulate_shop(weekly_drift=0.0)
    learned = learn_intervals(
        customer=customer, at=at, value=value, as_of=120 * DAY, name="mbg_nbd", no_spend=np.arange(800), clock=UTC_CLOCK
    )
    assert {coverage.quantity: coverage.customers for coverage in learned.held} == {"purchases": 900, "spend": 100}
    assert set(learned.calibration.tables) == {"purchases"}


def test_cuts_follow_one_another_and_have_half_as_much_history_as_horizon() -> None:
    cuts = list_cuts(first=0, as_of=200 * DAY + 1, clock=UTC_CLOCK)
    assert [(cutoff // DAY, days) for cutoff, days in cuts] == [
        (173, 28),
        (145, 28),
        (117, 28),
        (145, 56),
        (89, 56),
        (33, 56),
        (89, 112),
    ]
    assert list_cuts(first=0, as_of=41 * DAY, clock=UTC_CLOCK) == []


def test_the_nominal_level_is_the_one_that_contained_80_percent() -> None:
    u = (np.arange(1000) + 0.5) / 1000
    assert find_nominal_level(ProbabilityTransform(u, u)) == pytest.approx(0.8, abs=0.003)
    extreme = np.where(u < 0.5, u**2, 1 - (1 - u) ** 2)  # more outcomes at both ends than predicted
    level = find_nominal_level(ProbabilityTransform(extreme, extreme))
    assert level > 0.9
    assert ProbabilityTransform(extreme, extreme).compute_coverage(level=level) == pytest.approx(0.8, abs=0.003)


def test_values_that_fall_are_pooled() -> None:
    assert make_monotone(np.array([1.0, 3.0, 2.0, 4.0])).tolist() == [1.0, 2.5, 2.5, 4.0]
    assert make_monotone(np.array([3.0, 2.0, 1.0])).tolist() == [2.0, 2.0, 2.0]


def test_classes_with_few_customers_at_any_horizon_are_merged() -> None:
    many, few = np.repeat([0.5, 3.0, 20.0], 300), np.repeat([0.5, 3.0, 20.0], [300, 300, MIN_CUSTOMERS - 1])
    assert merge_small_classes([[many], [many]]).tolist() == [0.0, 1.0, 4.0]
    assert merge_small_classes([[many], [few]]).tolist() == [0.0, 1.0]


def test_a_sample_keeps_all_orders_of_its_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customers.lifecycle.scoring.clv.interval_learning.MAX_CUSTOMERS", 90)
    customer, at, value = simulate_shop(weekly_drift=0.0)
    sampled, sampled_at, _value = sample_customers(customer, at, value)
    assert len(np.unique(sampled)) == 90
    assert len(sampled_at) == np.isin(customer, sampled).sum()
