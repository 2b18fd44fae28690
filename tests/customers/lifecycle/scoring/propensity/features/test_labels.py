"""Labels of a few orders, and cutoffs with label windows that end before the evaluation."""

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, collect_order_lines
from customers.lifecycle.scoring.propensity.features.labels import (
    PropensityTarget,
    derive_churn_target,
    find_eligible_customers,
    has_ordered_within,
    label_customers,
    plan_cutoffs,
    plan_levels,
    sum_spend_within,
)
from customers.lifecycle.scoring.propensity.features.samples import collect_sample


def make_orders(rows, n_customers=4):
    customer, day, value = zip(*rows, strict=True)
    return collect_order_lines(
        n_customers=n_customers, customer=np.array(customer), at=(np.array(day) * DAY).astype(np.int64),
        value=np.array(value, float), clock=UTC_CLOCK,
    )  # fmt: skip


ORDERS = make_orders([(0, 1, 5), (0, 10, 5), (1, 2, 5), (1, 16.9999, 7), (2, 3, 4), (2, 12, -4), (3, 17, 9)])


def test_a_window_includes_its_start_and_excludes_its_end():
    has_ordered = has_ordered_within(orders=ORDERS, as_of=10 * DAY, horizon_days=7)
    assert has_ordered.tolist() == [True, True, False, False]
    assert label_customers(orders=ORDERS, target=PropensityTarget("churn", 7), as_of=10 * DAY).tolist() == [
        False,
        False,
        True,
        True,
    ]
    assert sum_spend_within(orders=ORDERS, as_of=10 * DAY, horizon_days=7).tolist() == [5, 7, -4, 0]


def test_only_customers_with_orders_are_eligible_and_long_lapsed_ones_have_churned():
    assert find_eligible_customers(orders=ORDERS, target=PropensityTarget("purchase", 7), as_of=10 * DAY).tolist() == [
        0,
        1,
        2,
    ]
    assert find_eligible_customers(orders=ORDERS, target=PropensityTarget("churn", 4), as_of=10 * DAY + 1).tolist() == [
        0,
        2,
    ]


def test_the_churn_horizon_is_the_90_percent_gap():
    weekly = make_orders([(0, 7 * week, 1) for week in range(40)], n_customers=1)
    assert derive_churn_target(orders=weekly, as_of=300 * DAY) == PropensityTarget("churn", 7)
    assert derive_churn_target(orders=weekly, as_of=20 * DAY) == PropensityTarget("churn", 120)


def test_frequent_customers_do_not_shorten_the_churn_horizon_of_the_others():
    daily = [(customer, day, 1) for customer in range(6) for day in range(400)]
    monthly = [(customer, 30 * month + customer, 1) for customer in range(6, 15) for month in range(13)]
    orders = make_orders(daily + monthly, n_customers=15)
    assert derive_churn_target(orders=orders, as_of=400 * DAY) == PropensityTarget("churn", 30)
    # In whole weeks, half of the history that is left after the shortest one.
    assert derive_churn_target(orders=orders, as_of=100 * DAY) == PropensityTarget("churn", 21)


@pytest.mark.parametrize("horizon", [7, 30, 90])
@pytest.mark.parametrize("days", [100, 373, 900])
def test_the_periods_of_the_level_do_not_overlap_and_use_outcomes_known_then(horizon, days):
    plan = plan_levels(began_at=0, test_at=days * DAY, horizon_days=horizon)
    later = days * DAY
    for cutoff, train_cutoffs, season_at in plan.periods:
        assert cutoff + horizon * DAY <= later
        assert train_cutoffs
        assert all(train + horizon * DAY <= cutoff for train in train_cutoffs)
        assert (season_at is None) == (cutoff < (56 + 364) * DAY)
        later = cutoff
    assert len(plan.periods) <= 4
    assert (plan.season_at is None) == (days < 56 + 364)
    assert all(cutoff >= 56 * DAY for cutoff in plan.cutoffs)


@pytest.mark.parametrize("horizon", [7, 30, 45, 90])
@pytest.mark.parametrize("days", [60, 200, 373, 900])
def test_label_windows_end_before_the_evaluation_begins(horizon, days):
    plan = plan_cutoffs(began_at=0, test_at=days * DAY, horizon_days=horizon)
    assert all(cutoff + horizon * DAY <= plan.test_at for cutoff in plan.all_cutoffs)
    assert all(cutoff >= 56 * DAY for cutoff in (*plan.all_cutoffs, *plan.train_cutoffs))
    if plan.validation_at is not None:
        assert all(cutoff + horizon * DAY <= plan.validation_at for cutoff in plan.train_cutoffs)
        assert plan.validation_at == plan.all_cutoffs[0]
    assert all((plan.test_at - cutoff) % (7 * DAY) == 0 for cutoff in (*plan.all_cutoffs, *plan.train_cutoffs))
    assert bool(plan.all_cutoffs) == (days - 56 >= -(-horizon // 7) * 7)


def test_an_invalid_plan_is_rejected():
    with pytest.raises(ValueError, match="horizon_days"):
        plan_cutoffs(began_at=0, test_at=DAY, horizon_days=0)


def test_a_sample_contains_the_customers_as_they_were_at_each_cutoff():
    target = PropensityTarget("purchase", 7)
    sample = collect_sample(orders=ORDERS, target=target, cutoffs=[10 * DAY, 3 * DAY], seed=1)
    assert sample.customer.tolist() == [0, 1, 2, 0, 1]
    assert sample.label.tolist() == [True, True, False, False, False]
    assert sample.matrix[:, sample.names.index("recency_days")].tolist() == [9, 8, 7, 2, 1]
    assert len(collect_sample(orders=ORDERS, target=target, cutoffs=[10 * DAY, 3 * DAY], seed=1, max_rows=2)) == 2
    with pytest.raises(ValueError, match="cutoffs"):
        collect_sample(orders=ORDERS, target=target, cutoffs=[], seed=1)
