"""Quantiles of the gaps between orders, computed by hand."""

import numpy as np
import pytest

from customers.lifecycle.scoring.stages.order_gaps import DAY, DEFAULT_QUANTILES, measure_category_gaps, measure_gaps


def measure(orders: dict[int, list[float]]) -> object:
    customer = np.array([number for number, days in orders.items() for _day in days], np.int64)
    at = np.array([round(day * DAY) for days in orders.values() for day in days], np.int64)
    return measure_gaps(customer=customer, at=at)


def test_quantiles_count_completed_gaps() -> None:
    # 40 customers: the gap to the second order is the customer's number in days, the one after that 100 days
    quantiles = measure({number: [0, number, number + 100] for number in range(1, 41)})
    gaps = [*range(1, 41), *[100] * 40]
    assert (quantiles.gaps, quantiles.second_gaps) == (80, 40)
    assert quantiles.second_gap_days == pytest.approx(20.5)
    assert quantiles.median_gap_days == pytest.approx(np.quantile(gaps, 0.5))
    assert (quantiles.active_gap_days, quantiles.dormant_gap_days) == (100, 100)


def test_orders_of_one_moment_are_one_visit() -> None:
    once = {number: [0, number] for number in range(1, 41)}
    twice = {number: [0, 0, number, number] for number in range(1, 41)}
    assert measure(twice) == measure(once)


def test_a_shop_with_few_gaps_gets_the_defaults() -> None:
    quantiles = measure({number: [0, 3] for number in range(1, 30)})
    assert quantiles.gaps == 29
    assert (quantiles.median_gap_days, quantiles.dormant_gap_days) == (
        DEFAULT_QUANTILES.median_gap_days,
        DEFAULT_QUANTILES.dormant_gap_days,
    )


def test_no_quantile_is_shorter_than_a_day() -> None:
    quantiles = measure({number: [0, 0.01, 0.02] for number in range(1, 41)})
    assert (quantiles.second_gap_days, quantiles.median_gap_days, quantiles.active_gap_days) == (1, 1, 1)


def test_no_orders_give_the_defaults() -> None:
    assert measure({}) == DEFAULT_QUANTILES


def test_gaps_of_a_category_are_those_of_its_main_customers() -> None:
    """Forty customers order shoes every 50 days and tea once.

    Two order tea every 7 days; hats have too few gaps.
    """
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
    quantiles = measure_category_gaps(
        customer=np.array(customer, np.int64),
        at=np.array(day, np.int64) * DAY,
        category=np.array(category, np.int64),
        n_categories=3,
    )
    assert sorted(quantiles) == [0, 1]
    assert (quantiles[0].gaps, quantiles[0].active_gap_days, quantiles[0].dormant_gap_days) == (32, 7, 7)
    assert (quantiles[1].gaps, quantiles[1].median_gap_days, quantiles[1].dormant_gap_days) == (120, 50, 50)
    empty = np.empty(0, np.int64)
    assert measure_category_gaps(customer=empty, at=empty, category=empty, n_categories=3) == {}
