"""Quantiles of the gaps between orders, by hand."""

import numpy as np
import pytest

from customers.lifecycle.scoring.stages.order_gaps import DAY, DEFAULT_QUANTILES, measure_category_gaps, measure_gaps


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


def test_gaps_of_a_category_are_those_of_the_customers_who_mostly_order_from_it() -> None:
    """Forty customers with orders of shoes every 50 days and one of tea between; of tea 31 gaps of 7 days, of hats too few."""
    customer, day, category = [], [], []
    for number in range(40):
        for order in range(3):
            customer.append(number)
            day.append(order * 50)
            category.append(1)
        customer.append(number)
        day.append(125)
        category.append(0)
    for number in (100, 101):
        for order in range(17):
            customer.append(number)
            day.append(order * 7)
            category.append(0 if order < 16 else -1)
    for order in range(5):
        customer.append(200)
        day.append(order)
        category.append(2)
    found = measure_category_gaps(
        customer=np.array(customer, np.int64),
        at=np.array(day, np.int64) * DAY,
        category=np.array(category, np.int64),
        n_categories=3,
    )
    assert sorted(found) == [0, 1]
    assert (found[0].gaps, found[0].active_gap_days, found[0].dormant_gap_days) == (32, 7, 7)
    assert (found[1].gaps, found[1].median_gap_days, found[1].dormant_gap_days) == (120, 50, 50)
    empty = np.empty(0, np.int64)
    assert measure_category_gaps(customer=empty, at=empty, category=empty, n_categories=3) == {}
