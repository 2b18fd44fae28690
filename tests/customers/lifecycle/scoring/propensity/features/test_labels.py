"""Labels of a handful of orders, and cuts whose windows do not reach into what they are judged on."""

import numpy as np
import pytest

from customers.lifecycle.scoring.propensity.features.event_facts import DAY, collect_orders
from customers.lifecycle.scoring.propensity.features.labels import (
    Target,
    churn_target,
    eligible,
    label,
    ordered_within,
    plan_cuts,
    spend_within,
)
from customers.lifecycle.scoring.propensity.features.samples import collect_sample


def orders_of(rows, n_customers=4):
    customer, day, value = zip(*rows, strict=True)
    return collect_orders(
        n_customers=n_customers, customer=np.array(customer), at=(np.array(day) * DAY).astype(np.int64),
        value=np.array(value, float),
    )  # fmt: skip


ORDERS = orders_of([(0, 1, 5), (0, 10, 5), (1, 2, 5), (1, 16.9999, 7), (2, 3, 4), (2, 12, -4), (3, 17, 9)])


def test_window_begins_at_the_cut_and_ends_before_its_end():
    found = ordered_within(orders=ORDERS, as_of=10 * DAY, horizon_days=7)
    assert found.tolist() == [True, True, False, False]
    assert label(orders=ORDERS, target=Target("churn", 7), as_of=10 * DAY).tolist() == [False, False, True, True]
    assert spend_within(orders=ORDERS, as_of=10 * DAY, horizon_days=7).tolist() == [5, 7, -4, 0]


def test_only_who_has_ordered_can_be_foretold_and_who_left_long_ago_has_churned():
    assert eligible(orders=ORDERS, target=Target("purchase", 7), as_of=10 * DAY).tolist() == [0, 1, 2]
    assert eligible(orders=ORDERS, target=Target("churn", 4), as_of=10 * DAY + 1).tolist() == [0, 2]


def test_horizon_of_churn_is_the_long_gap():
    weekly = orders_of([(0, 7 * week, 1) for week in range(40)], n_customers=1)
    assert churn_target(orders=weekly, as_of=300 * DAY) == Target("churn", 7)
    assert churn_target(orders=weekly, as_of=20 * DAY) == Target("churn", 120)


@pytest.mark.parametrize("horizon", [7, 30, 45, 90])
@pytest.mark.parametrize("days", [60, 200, 373, 900])
def test_windows_end_before_what_they_are_judged_on(horizon, days):
    plan = plan_cuts(began_at=0, test_at=days * DAY, horizon_days=horizon)
    assert all(cut + horizon * DAY <= plan.test for cut in plan.every)
    assert all(cut >= 56 * DAY for cut in (*plan.every, *plan.train))
    if plan.validation is not None:
        assert all(cut + horizon * DAY <= plan.validation for cut in plan.train)
        assert plan.validation == plan.every[0]
    assert all((plan.test - cut) % (7 * DAY) == 0 for cut in (*plan.every, *plan.train))
    assert bool(plan.every) == (days - 56 >= -(-horizon // 7) * 7)


def test_wrong_plan_is_refused():
    with pytest.raises(ValueError, match="horizon_days"):
        plan_cuts(began_at=0, test_at=DAY, horizon_days=0)


def test_sample_holds_each_cut_as_it_was():
    target = Target("purchase", 7)
    sample = collect_sample(orders=ORDERS, target=target, cuts=[10 * DAY, 3 * DAY], seed=1)
    assert sample.customer.tolist() == [0, 1, 2, 0, 1]
    assert sample.label.tolist() == [True, True, False, False, False]
    assert sample.matrix[:, sample.names.index("recency_days")].tolist() == [9, 8, 7, 2, 1]
    assert len(collect_sample(orders=ORDERS, target=target, cuts=[10 * DAY, 3 * DAY], seed=1, most_rows=2)) == 2
    with pytest.raises(ValueError, match="cuts"):
        collect_sample(orders=ORDERS, target=target, cuts=[], seed=1)
