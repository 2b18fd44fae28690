"""RFM scores computed by hand."""

from itertools import product

import numpy as np
import pytest

from customers.lifecycle.models import RfmGroup
from customers.lifecycle.scoring.rfm.rfm_scores import (
    RFM_CELLS,
    RFM_GROUPS,
    RfmScores,
    RfmValues,
    compute_quintiles,
    find_rfm_group,
    measure_rfm,
)
from customers.lifecycle.scoring.stages.order_gaps import DAY

# customer, first order, last order, orders, revenue, and R, F, M and group computed by hand
DOZEN = [
    (1, 1, 100, 10, 500, 5, 5, 5, "champions"),
    (2, 2, 99, 1, 20, 5, 1, 1, "new"),
    (3, 3, 98, 5, 300, 4, 4, 4, "loyal"),
    (4, 4, 97, 2, 40, 4, 2, 2, "potential_loyalists"),
    (5, 5, 90, 2, 60, 3, 2, 2, "about_to_sleep"),
    (6, 6, 80, 7, 90, 3, 4, 3, "loyal"),
    (7, 7, 70, 3, 100, 2, 3, 3, "at_risk"),
    (8, 8, 60, 1, 10, 2, 1, 1, "hibernating"),
    (9, 9, 50, 8, 800, 2, 5, 5, "cant_lose"),
    (10, 10, 40, 4, 200, 1, 3, 4, "at_risk"),
    (11, 11, 30, 1, 30, 1, 1, 1, "hibernating"),
    (12, 12, 20, 2, 50, 1, 2, 2, "hibernating"),
]

# recencies and frequencies of each group, as in lifecycle.md
RULES = {
    "champions": ({5}, {4, 5}),
    "loyal": ({3, 4}, {4, 5}),
    "potential_loyalists": ({4, 5}, {2, 3}),
    "new": ({5}, {1}),
    "promising": ({4}, {1}),
    "need_attention": ({3}, {3}),
    "about_to_sleep": ({3}, {1, 2}),
    "cant_lose": ({1, 2}, {5}),
    "at_risk": ({1, 2}, {3, 4}),
    "hibernating": ({1, 2}, {1, 2}),
}


def to_columns(rows: list[tuple[int, ...]]) -> dict[str, np.ndarray]:
    customer, first, last, orders, revenue = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return {
        "customer": customer,
        "first_order": first,
        "last_order": last,
        "orders": orders,
        "revenue": revenue,
    }


def score_rfm(
    *, customer: np.ndarray, first_order: np.ndarray, last_order: np.ndarray, orders: np.ndarray, revenue: np.ndarray
) -> RfmScores:
    """Score customers in any order."""
    order = np.lexsort((customer, first_order))
    rfm = RfmValues(
        customer[order], first_order[order], last_order[order], orders[order], revenue[order]
    ).compute_scores()
    back = np.argsort(order)
    return RfmScores(rfm.r[back], rfm.f[back], rfm.m[back], rfm.group[back])


def rank_in_fifths(value: np.ndarray, first_order: np.ndarray, customer: np.ndarray) -> np.ndarray:
    """Return the quintiles of customers in any order."""
    order = np.lexsort((customer, first_order))
    return compute_quintiles(value[order])[np.argsort(order)]


def test_a_dozen_customers_score_as_by_hand() -> None:
    rfm = score_rfm(**to_columns([row[:5] for row in DOZEN]))
    values = [
        (int(r), int(f), int(m), RFM_GROUPS[g]) for r, f, m, g in zip(rfm.r, rfm.f, rfm.m, rfm.group, strict=True)
    ]
    assert values == [row[5:] for row in DOZEN]


@pytest.mark.parametrize(("r", "f"), list(product(range(1, 6), repeat=2)))
def test_each_cell_has_exactly_one_group_and_it_is_the_right_one(r: int, f: int) -> None:
    fitting = [group for group, (recencies, frequencies) in RULES.items() if r in recencies and f in frequencies]
    assert fitting == [RFM_CELLS[r - 1][f - 1]]


def test_the_groups_match_those_of_the_profile() -> None:
    assert set(RFM_GROUPS) == set(RfmGroup.values)


def test_five_bins_exist_when_all_customers_are_equal_and_the_first_order_decides() -> None:
    same = np.full(10, 3, np.int64)
    first = np.arange(10, 0, -1)
    assert rank_in_fifths(same, first, np.arange(10)).tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]


def test_ties_in_value_and_first_order_are_broken_by_id() -> None:
    same = np.full(6, 3, np.int64)
    assert rank_in_fifths(same, same, np.array([60, 50, 40, 30, 20, 10])).tolist() == [5, 4, 3, 2, 1, 1]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rng = np.random.default_rng(7)
    n = 137
    rows = np.stack(
        [np.arange(n), rng.integers(0, 5, n), rng.integers(0, 9, n), rng.integers(1, 4, n), rng.integers(0, 3, n)]
    )
    shuffled = rng.permutation(n)
    names = ("customer", "first_order", "last_order", "orders", "revenue")
    in_order = score_rfm(**dict(zip(names, rows, strict=True)))
    shuffled_scores = score_rfm(**dict(zip(names, rows[:, shuffled], strict=True)))
    for score in ("r", "f", "m", "group"):
        assert getattr(shuffled_scores, score).tolist() == getattr(in_order, score)[shuffled].tolist()


@pytest.mark.parametrize("n", [1, 2, 4, 5, 6, 12, 13])
def test_bins_are_as_equal_as_possible(n: int) -> None:
    scores = compute_quintiles(np.arange(n))
    sizes = np.bincount(scores, minlength=6)[1:]
    assert sizes.tolist() == [n // 5 + (number < n % 5) for number in range(5)]
    assert (np.diff(scores) >= 0).all()


def test_no_customers_give_no_scores() -> None:
    empty = np.empty(0, np.int64)
    rfm = score_rfm(customer=empty, first_order=empty, last_order=empty, orders=empty, revenue=empty)
    assert rfm.group.shape == (0,)


# customer, day, net amount, is an order
ORDERS = [
    (7, 1, 100, True),
    (7, 50, 300, True),
    (7, 55, -120, False),
    (3, 30, 40, True),
    (3, 20, 60, True),
    (5, 2, 500, True),
    (5, 58, -500, False),
    (9, 60, 77, True),
]


def make_facts() -> dict[str, np.ndarray]:
    """Return the facts of the customers 3, 5, 7 and 9, who are the rows 0 to 3."""
    customer, day, amount, is_order = (np.array(column) for column in zip(*sorted(ORDERS), strict=True))
    start = np.searchsorted(customer, [3, 5, 7, 9, 10])
    return {"start": start, "at": day * DAY, "amount": amount, "is_order": is_order}


def measure(window_days: int | None = None, as_of_day: int = 60) -> RfmValues:
    (values,) = measure_rfm(**make_facts(), moments=[as_of_day * DAY], window_days=window_days)
    return values


def to_rows(values: RfmValues) -> list[tuple[int, ...]]:
    customer = np.array([3, 5, 7, 9])[values.row]
    arrays = (customer, values.first_order // DAY, values.last_order // DAY, values.orders, values.revenue)
    return sorted(tuple(row) for row in np.stack(arrays, axis=1).tolist())


def test_values_of_all_time_count_the_facts_before_the_time() -> None:
    assert to_rows(measure()) == [(3, 20, 30, 2, 100), (5, 2, 2, 1, 0), (7, 1, 50, 2, 280)]


def test_window_values_count_its_facts_and_use_the_first_order_of_all_time() -> None:
    assert to_rows(measure(window_days=30)) == [(3, 20, 30, 1, 40), (7, 1, 50, 1, 180)]
    assert to_rows(measure(window_days=29)) == [(7, 1, 50, 1, 180)]
    assert to_rows(measure(window_days=5)) == []
    assert to_rows(measure(window_days=1, as_of_day=61)) == [(9, 60, 60, 1, 77)]


def test_a_window_longer_than_the_shop_is_all_time() -> None:
    assert to_rows(measure(window_days=10_000)) == to_rows(measure())


def test_several_times_give_the_same_values_as_each_alone() -> None:
    days = [-1, 1, 2, 30, 31, 60, 61, 200]
    for window_days in (None, 1, 29, 30):
        values_together = measure_rfm(**make_facts(), moments=[day * DAY for day in days], window_days=window_days)
        alone = [measure(window_days, day) for day in days]
        assert [to_rows(values) for values in values_together] == [to_rows(values) for values in alone], window_days


def test_later_facts_change_nothing_of_an_earlier_moment() -> None:
    all_facts = make_facts()
    before = all_facts["at"] < 30 * DAY
    start = np.concatenate(([0], np.cumsum(before)))[all_facts["start"]]
    early = {"start": start, **{name: all_facts[name][before] for name in ("at", "amount", "is_order")}}
    for window_days in (None, 20):
        (with_later, _after) = measure_rfm(**all_facts, moments=[30 * DAY, 60 * DAY], window_days=window_days)
        (alone,) = measure_rfm(**early, moments=[30 * DAY], window_days=window_days)
        assert to_rows(with_later) == to_rows(alone)
        assert with_later.compute_scores().group.tolist() == alone.compute_scores().group.tolist()


def test_values_are_scored_in_their_order() -> None:
    values = measure()  # by first order: 7, 5, 3
    scores = values.compute_scores()
    assert values.row.tolist() == [2, 1, 0]
    assert scores.r.tolist() == [3, 1, 2]
    assert scores.m.tolist() == [3, 1, 2]
    assert values.compute_cells().tolist() == [5 * (r - 1) + f for r, f in zip(scores.r, scores.f, strict=True)]
    assert [find_rfm_group(cell) for cell in values.compute_cells()] == [RFM_GROUPS[group] for group in scores.group]


def test_every_cell_number_has_its_group() -> None:
    assert find_rfm_group(0) == ""
    assert [find_rfm_group(5 * (r - 1) + f) for r, f in product(range(1, 6), repeat=2)] == [
        g for row in RFM_CELLS for g in row
    ]


@pytest.mark.parametrize("n", [0, 1, 3, 5, 7, 13, 200])
@pytest.mark.parametrize("different", [1, 2, 1000])
def test_quintiles_equal_those_of_a_full_sort(n: int, different: int) -> None:
    rng = np.random.default_rng(n + different)
    value = rng.integers(-different, different, n)
    order = np.lexsort((np.arange(n), value))
    expected = np.empty(n, np.int64)
    expected[order] = np.concatenate([np.full(len(part), k + 1) for k, part in enumerate(np.array_split(order, 5))])
    assert compute_quintiles(value).tolist() == expected.tolist()


def test_invalid_windows_columns_and_times_are_rejected() -> None:
    with pytest.raises(ValueError, match="window_days"):
        measure(window_days=0)
    with pytest.raises(ValueError, match="different lengths"):
        measure_rfm(**make_facts() | {"amount": np.ones(1, np.int64)}, moments=[1])
    with pytest.raises(ValueError, match="must ascend"):
        measure_rfm(**make_facts(), moments=[2, 1])


def test_customers_without_orders_are_not_measured() -> None:
    empty = np.empty(0, np.int64)
    columns_without_rows = {"at": empty, "amount": empty, "is_order": np.empty(0, bool)}
    for start in (np.zeros(1, np.int64), np.zeros(4, np.int64)):  # no customers; three without an order
        (values,) = measure_rfm(start=start, **columns_without_rows, moments=[5])
        assert (values.row.shape, values.compute_scores().r.shape, values.compute_cells().shape) == ((0,), (0,), (0,))
