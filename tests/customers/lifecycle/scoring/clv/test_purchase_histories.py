"""Purchase histories summarized from orders, computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.foundation.calendars.local_clock import UTC_CLOCK, LocalClock, build_clock
from customers.lifecycle.scoring.clv.purchase_histories import (
    DAY,
    PurchaseHistories,
    group_histories,
    list_purchase_days,
    summarize_purchases,
)

HOUR = DAY // 24
EIGHT_HOURS_BEHIND = build_clock(np.zeros(1, np.int64), np.array([-8 * HOUR]))


def summarize(orders: list[tuple[int, float, float]], as_of: float, clock: LocalClock = UTC_CLOCK) -> PurchaseHistories:
    """Summarize orders given as (customer, day, value)."""
    customer, day, value = (np.array(column) for column in zip(*orders, strict=True)) if orders else [np.empty(0)] * 3
    return summarize_purchases(
        customer=customer.astype(np.int64),
        at=(day * DAY).astype(np.int64),
        value=value.astype(np.float64),
        as_of=round(as_of * DAY),
        clock=clock,
    )


def to_lists(histories: PurchaseHistories) -> list[list[float]]:
    return [
        column.tolist()
        for column in (
            histories.customer, histories.x, histories.last_days, histories.age_days, histories.mean_value,
        )
    ]  # fmt: skip


def test_orders_of_one_day_are_one_purchase_and_the_first_day_is_no_repeat() -> None:
    orders = [(7, 10.5, 5.0), (7, 1.2, 100.0), (7, 1.9, 50.0), (7, 10.1, 15.0), (7, 21.0, 40.0), (3, 4.0, 9.0)]
    assert to_lists(summarize(orders, as_of=31.0)) == [[3, 7], [0, 2], [0, 20], [26, 29], [0.0, 30.0]]


def test_orders_at_or_after_as_of_change_nothing() -> None:
    orders = [(1, 0.0, 5.0), (1, 3.0, 7.0), (2, 2.0, 1.0)]
    later = [(1, 10.0, 900.0), (2, 12.0, 3.0), (9, 10.0, 3.0)]
    assert to_lists(summarize(orders + later, as_of=10.0)) == to_lists(summarize(orders, as_of=10.0))


def test_days_before_1970_and_the_shops_own_midnight_count() -> None:
    orders = [(1, -400.25, 5.0), (1, -399.9, 7.0)]  # 18:00, then 02:24 on the day after
    assert to_lists(summarize(orders, as_of=-390.0)) == [[1], [1], [1], [10], [7.0]]
    assert to_lists(summarize(orders, as_of=-390.0, clock=EIGHT_HOURS_BEHIND)) == [[1], [0], [0], [10], [0.0]]


def test_a_time_within_a_day_includes_that_day() -> None:
    assert to_lists(summarize([(1, 0.0, 1.0), (1, 2.1, 1.0)], as_of=2.5)) == [[1], [1], [2], [2], [1.0]]


def test_orders_of_0_and_negative_value_count_as_purchases() -> None:
    assert to_lists(summarize([(1, 0, 5.0), (1, 1, 0.0), (1, 2, -6.0)], as_of=3))[-1] == [-3.0]


def test_no_orders_give_no_histories() -> None:
    histories = summarize([], as_of=3)
    assert len(histories) == 0
    assert len(group_histories(histories=histories).x) == 0


def test_a_mean_is_exact_beside_a_huge_first_purchase() -> None:
    assert summarize([(1, 0, 1e18), (1, 1, 0.01)], as_of=3).mean_value.tolist() == [0.01]


def test_invalid_arrays_are_rejected() -> None:
    single = np.array([1])
    with pytest.raises(ValueError, match="one entry per order"):
        summarize_purchases(customer=single, at=np.array([1, 2]), value=single, as_of=5, clock=UTC_CLOCK)
    with pytest.raises(ValueError, match="finite"):
        summarize_purchases(customer=single, at=single, value=np.array([np.nan]), as_of=5, clock=UTC_CLOCK)
    with pytest.raises(ValueError, match="unit_days"):
        group_histories(histories=summarize([], as_of=3), unit_days=0.0)


def test_equal_histories_share_one_row() -> None:
    orders = [(1, 0, 1.0), (2, 0, 1.0), (3, 0, 1.0), (3, 7, 1.0), (4, 14, 9.0), (4, 21, 9.0), (5, 14, 1.0)]
    histories = summarize(orders, as_of=29)
    groups = group_histories(histories=histories, unit_days=7.0)
    assert groups.x.tolist() == [0, 0, 1, 1]
    assert groups.t_x.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert groups.age.tolist() == [2.0, 4.0, 2.0, 4.0]
    assert groups.weight.tolist() == [1.0, 2.0, 1.0, 1.0]
    assert groups.row.tolist() == [1, 1, 3, 2, 0]
    assert [column.tolist() for column in groups.customers_by_x] == [[0.0, 1.0], [3.0, 2.0]]


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-40, 40)), max_size=30),
    st.integers(-40, 40),
    st.integers(1, 30),
)
def test_histories_match_a_count_one_by_one(orders: list[tuple[int, int]], as_of: int, unit: int) -> None:
    histories = summarize([(customer, day / 2, day) for customer, day in orders], as_of=as_of / 2)
    groups = group_histories(histories=histories, unit_days=float(unit))
    rows = zip(
        histories.customer.tolist(), histories.x.tolist(), histories.last_days.tolist(), histories.age_days.tolist(),
        histories.mean_value.tolist(), groups.row.tolist(), strict=True,
    )  # fmt: skip
    values_by_day: dict[int, dict[int, float]] = {}
    for customer, half in orders:
        if half < as_of:
            days = values_by_day.setdefault(customer, {})
            days[half // 2] = days.get(half // 2, 0) + half
    assert histories.customer.tolist() == sorted(values_by_day)
    for customer, x, last, age, mean, row in rows:
        days = values_by_day[customer]
        first = min(days)
        assert (x, last) == (len(days) - 1, max(days) - first)
        assert age == (as_of - 1) // 2 - first if as_of % 2 else age == as_of // 2 - 1 - first
        assert mean == pytest.approx(sum(days[day] for day in days if day != first) / max(x, 1))
        assert groups.x[row] == x
        assert groups.t_x[row] * unit == pytest.approx(last)
        assert groups.age[row] * unit == pytest.approx(age)
    owner, _, first_of = list_purchase_days(
        customer=np.array([c for c, _ in orders], np.int64), at=np.array([d for _, d in orders], np.int64) * DAY // 2,
        as_of=as_of * DAY // 2, clock=UTC_CLOCK,
    )  # fmt: skip
    assert len(owner) == histories.x.sum() + len(histories)
    assert owner[first_of].tolist() == histories.customer.tolist()
