"""The distribution of gaps, computed by hand and found again in simulated shops."""

from math import log

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.stages.gap_distribution import (
    CATEGORY_PRIOR_GAPS,
    DEFAULT_DISTRIBUTION,
    MIN_ORDER_GAP_DAYS,
    PRIOR_BETWEEN,
    PRIOR_CASES,
    PRIOR_WITHIN,
    fit_gap_distribution,
    measure_order_gap,
)
from customers.lifecycle.scoring.stages.order_gaps import DAY


def to_arrays(orders: dict[int, list[float]]) -> dict[str, np.ndarray]:
    customer = np.array([number for number, days in orders.items() for _day in days], np.int64)
    at = np.array([round(day * DAY) for days in orders.values() for day in days], np.int64)
    return {"customer": customer, "at": at}


def test_a_shop_without_gaps_has_the_default_rhythm() -> None:
    assert fit_gap_distribution(**to_arrays({}), clock=UTC_CLOCK) == DEFAULT_DISTRIBUTION
    assert fit_gap_distribution(**to_arrays({1: [0], 2: [5], 3: [7.1, 7.9]}), clock=UTC_CLOCK) == DEFAULT_DISTRIBUTION


def test_two_customers_by_hand() -> None:
    # gaps of 4 and 16 days, and one of 9; the second order of a day is no visit of its own
    found = fit_gap_distribution(**to_arrays({1: [0, 4, 4.5, 20], 2: [0, 9]}), clock=UTC_CLOCK)
    logs = [log(4), log(16), log(9)]
    mean = (sum(logs) + PRIOR_CASES * DEFAULT_DISTRIBUTION.mean) / (3 + PRIOR_CASES)
    scatter = (log(4) - log(8)) ** 2 + (log(16) - log(8)) ** 2
    within = (scatter + PRIOR_CASES * PRIOR_WITHIN) / (3 - 2 + PRIOR_CASES)
    middle = (log(8) + log(9)) / 2
    excess = 2 * (log(9) - middle) ** 2 - (within / 2 + within) / 2
    between = (max(excess, 0) + PRIOR_CASES * PRIOR_BETWEEN) / (2 - 1 + PRIOR_CASES)
    assert (found.mean, found.within, found.between) == pytest.approx((mean, within, between))
    assert found.shrinkage == pytest.approx(within / between)
    assert found.tail_variance == pytest.approx(within, rel=0.05), "three gaps say little of the tail"


def test_the_variances_of_a_simulated_shop_are_found() -> None:
    draws = np.random.default_rng(3)
    orders = {}
    for number in range(600):
        own = draws.normal(log(40), 0.6)
        orders[number] = [0.0, *np.cumsum(np.round(np.exp(draws.normal(own, 0.5, 12))) + 1).tolist()]
    found = fit_gap_distribution(**to_arrays(orders), clock=UTC_CLOCK)
    assert found.mean == pytest.approx(log(41), abs=0.08)
    assert found.within == pytest.approx(0.25, abs=0.03)
    assert found.between == pytest.approx(0.36, abs=0.06)
    assert found.tail_variance == pytest.approx(found.within, rel=0.12)


def test_heavy_tails_give_a_larger_variance() -> None:
    draws = np.random.default_rng(4)
    orders = {}
    for number in range(400):
        logs = draws.normal(log(30), 0.3, 20) + np.where(draws.random(20) < 0.05, 1.5, 0.0)
        orders[number] = [0.0, *np.cumsum(np.round(np.exp(logs)) + 1).tolist()]
    found = fit_gap_distribution(**to_arrays(orders), clock=UTC_CLOCK)
    assert found.tail_variance > 1.2 * found.within


def test_categories_are_shrunk_to_the_shop_and_do_not_count_as_differences_between_customers() -> None:
    orders = {number: [0, 10, 20, 30] for number in range(40)} | {number: [0, 90, 180, 270] for number in range(40, 80)}
    arrays = to_arrays(orders)
    category = (arrays["customer"] >= 40).astype(np.int64)
    found = fit_gap_distribution(**arrays, category=category, categories=("tea", "shoes", "hats"), clock=UTC_CLOCK)
    assert sorted(found.category_means) == ["shoes", "tea"]
    expected = (120 * log(10) + CATEGORY_PRIOR_GAPS * found.mean) / (120 + CATEGORY_PRIOR_GAPS)
    assert found.category_means["tea"] == pytest.approx(expected)
    assert found.between < 0.1
    assert fit_gap_distribution(**arrays, clock=UTC_CLOCK).between > 0.8


def test_the_order_gap_of_the_shop_is_its_longest_usual_silence() -> None:
    rng = np.random.default_rng(1)
    at = np.cumsum(rng.exponential(DAY, 5000)).astype(np.int64)
    shuffled = rng.permutation(at)
    expected = float(np.quantile(np.diff(at), 0.999)) / DAY
    assert measure_order_gap(at=shuffled) == pytest.approx(expected)
    assert measure_order_gap(at=at // 1000) == MIN_ORDER_GAP_DAYS
    assert measure_order_gap(at=at[:30]) is None
