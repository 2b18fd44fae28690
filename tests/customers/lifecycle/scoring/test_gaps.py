"""Quantiles of the gaps between orders, by hand."""

import numpy as np
import pytest

from customers.lifecycle.scoring.gaps import DAY, DEFAULT_QUANTILES, measure_gaps


def measure(orders: dict[int, list[float]]) -> object:
    customer = np.array([one for one, days in orders.items() for _day in days], np.int64)
    at = np.array([round(day * DAY) for days in orders.values() for day in days], np.int64)
    return measure_gaps(customer=customer, at=at)


def test_quantiles_are_those_of_the_completed_gaps() -> None:
    # 40 customers: the gap to the second order is the customer's number in days, the one after that 100 days
    found = measure({number: [0, number, number + 100] for number in range(1, 41)})
    gaps = [*range(1, 41), *[100] * 40]
    assert (found.gaps, found.second_gaps) == (80, 40)
    assert found.second_gap_days == pytest.approx(20.5)
    assert found.median_gap_days == pytest.approx(np.quantile(gaps, 0.5))
    assert (found.active_gap_days, found.dormant_gap_days) == (100, 100)


def test_orders_of_one_moment_are_one_visit() -> None:
    once = {number: [0, number] for number in range(1, 41)}
    twice = {number: [0, 0, number, number] for number in range(1, 41)}
    assert measure(twice) == measure(once)


def test_a_shop_with_few_gaps_gets_the_defaults() -> None:
    found = measure({number: [0, 3] for number in range(1, 30)})
    assert found.gaps == 29
    assert (found.median_gap_days, found.dormant_gap_days) == (
        DEFAULT_QUANTILES.median_gap_days,
        DEFAULT_QUANTILES.dormant_gap_days,
    )


def test_no_quantile_is_shorter_than_a_day() -> None:
    found = measure({number: [0, 0.01, 0.02] for number in range(1, 41)})
    assert (found.second_gap_days, found.median_gap_days, found.active_gap_days) == (1, 1, 1)


def test_no_orders_are_no_gaps() -> None:
    assert measure({}) == DEFAULT_QUANTILES
