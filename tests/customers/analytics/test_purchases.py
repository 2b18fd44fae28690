"""What is bought together, and after which first purchase people order again: answers counted by hand."""

from datetime import timedelta
from typing import Any

import pytest

from customers.analytics.questions.affinity import (
    AffinityParameters,
    AffinitySelection,
    run_affinity,
    select_affinity_people,
)
from customers.analytics.questions.repeat import (
    FirstPurchaseParameters,
    FirstPurchaseSelection,
    run_repeat,
    select_repeat_people,
)
from tests.customers.analytics.event_logs import DAYS, START, fetch_ids, make_tables

DAY = timedelta(days=1)


def make_shop(*orders: tuple[int, float, str], **columns: Any) -> Any:
    """Return the tables of orders: who, on which day, and a letter for each product."""
    rows = [{"customer_id": who, "placed_at": START + day * DAY, "total": 1, **columns} for who, day, _names in orders]
    lines = [
        {
            "order_pk": number,
            "customer_id": who,
            "placed_at": START + day * DAY,
            "product_id": name,
            "quantity": 1,
            "total": 1,
        }
        for number, (who, day, names) in enumerate(orders, 1)
        for name in names
    ]
    return make_tables(orders=rows, lines=lines)


def test_pairs_are_bought_by_the_same_people_in_one_order_or_in_several() -> None:
    # 1 buys both twice and counts once; 2 in two orders; 5 buys neither
    tables = make_shop((1, 0, "ab"), (1, 1, "ab"), (2, 0, "a"), (2, 3, "b"), (3, 0, "a"), (4, 0, "b"), (5, 0, "c"))
    parameters = AffinityParameters(**DAYS, min_people=1)
    result = run_affinity(tables, parameters)
    [pair] = result.pairs
    assert (result.buyers, pair.first, pair.second, pair.people) == (5, "a", "b", 2)
    assert (pair.first_people, pair.second_people) == (3, 3)
    assert (pair.confidence, pair.lift) == (pytest.approx(2 / 3), pytest.approx((2 / 5) / (3 / 5 * 3 / 5)))
    both, only_first = (
        fetch_ids(tables, select_affinity_people(tables, parameters, AffinitySelection(first="a", second="b", **more)))
        for more in ({}, {"is_missing": True})
    )
    assert (both, only_first) == ([1, 2], [3])
    assert run_affinity(tables, AffinityParameters(**DAYS, min_people=3)).pairs == ()


def test_who_orders_again_is_counted_by_the_first_purchase() -> None:
    # 1 returns after 5 days, 2 after 11, 3 never; the 10 days of 4 are not over; the first order of 5 is before the period
    tables = make_shop(
        (1, 0, "ab"), (1, 5, "c"), (2, 0, "a"), (2, 11, "c"), (3, 1, "b"), (4, 35, "a"), (5, -9, "a"), (5, 0, "a"), (5, 1, "a")
    )  # fmt: skip
    parameters = FirstPurchaseParameters(**{**DAYS, "until": DAYS["until"] + 9 * DAY}, within_days=10, min_people=1)
    result = run_repeat(tables, parameters)
    assert (result.total.people, result.total.repeated, result.total.recent) == (3, 1, 1)
    assert {row.name: (row.people, row.repeated, row.recent, row.median_days) for row in result.rows} == {
        "a": (2, 1, 1, 5),
        "b": (2, 1, 0, 5),
    }
    for selection, expected in (
        ({"name": "a"}, [1, 2]),
        ({"name": "a", "is_repeated": False}, [2]),
        ({"is_repeated": True}, [1]),
        ({"is_recent": True}, [4]),
    ):
        people = select_repeat_people(tables, parameters, FirstPurchaseSelection(**selection))
        assert fetch_ids(tables, people) == expected, selection
