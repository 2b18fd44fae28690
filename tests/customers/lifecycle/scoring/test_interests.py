"""Interests whose shares were worked out by hand."""

import numpy as np
import pytest

from customers.lifecycle.scoring.interests import (
    Facts,
    Interests,
    at_level,
    find_hours,
    find_interests,
    price_band,
    price_edges,
)


def make_facts(rows: list[tuple[int, int, float, float]]) -> Facts:
    """customer, code, day, weight"""
    customer, code, at, weight = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Facts(
        np.array(customer, np.int64), np.array(code, np.int64), np.array(at, np.float64), np.array(weight, np.float64)
    )


def find(
    rows: list[tuple[int, int, float, float]], *, as_of: float = 100.0, n: int = 2, codes: int = 5, most: int = 3,
    half_life_days: float = 10.0,
) -> Interests:  # fmt: skip
    return find_interests(
        facts=make_facts(rows), as_of=as_of, half_life_days=half_life_days, n_customers=n, n_codes=codes, most=most
    )


def test_a_fact_a_half_life_older_counts_half() -> None:
    found = find([(0, 1, 90.0, 1.0), (0, 2, 80.0, 1.0), (0, 1, 80.0, 2.0)])
    assert found.start.tolist() == [0, 2, 2]
    assert found.code.tolist() == [1, 2]
    assert found.weight.tolist() == pytest.approx([0.5 + 0.5, 0.25])
    assert found.share.tolist() == pytest.approx([0.8, 0.2])
    assert found.evidence.tolist() == [2, 1]
    assert found.newest.tolist() == [90.0, 80.0]
    assert found.total.tolist() == pytest.approx([1.25, 0.0])
    assert found.facts.tolist() == [3, 0]
    assert found.of(0) == slice(0, 2)


def test_shares_are_of_everything_and_only_the_first_are_listed() -> None:
    found = find([(1, code, 100.0 - 1e-9, weight) for code, weight in enumerate([1.0, 4.0, 2.0, 3.0])], most=2)
    assert found.start.tolist() == [0, 0, 2]
    assert found.code.tolist() == [1, 3]
    assert found.share.tolist() == pytest.approx([0.4, 0.3])


def test_equal_shares_go_by_the_newest_fact_then_by_code() -> None:
    found = find([(0, 3, 99.0, 1.0), (0, 1, 99.0, 1.0), (0, 2, 89.0, 2.0)])
    assert found.code.tolist() == [1, 3, 2]


def test_breadth_is_the_number_of_codes_as_many_equal_ones_would_be() -> None:
    found = find([(0, 1, 50.0, 3.0), *[(1, code, 60.0, 2.0) for code in range(4)]], n=3)
    assert found.breadth.tolist() == pytest.approx([1.0, 4.0, 0.0])


def test_what_comes_later_or_tells_nothing_changes_nothing() -> None:
    rows = [(0, 1, 90.0, 1.0), (1, 2, 50.0, 1.0)]
    found = find(rows)
    same = find([*rows, (0, 3, 100.0, 9.0), (1, -1, 20.0, 5.0), (1, 3, 20.0, 0.0)])
    for name in ("start", "code", "share", "weight", "evidence", "newest", "total", "facts", "breadth"):
        assert getattr(found, name).tolist() == getattr(same, name).tolist()


def test_interests_of_long_ago_still_have_shares() -> None:
    found = find([(0, 1, 0.0, 1.0), (0, 2, 0.0, 3.0)], as_of=1e6, half_life_days=0.5)
    assert found.share.tolist() == [0.75, 0.25]
    assert found.total.tolist() == [0.0, 0.0]
    assert found.breadth[0] > 1


def test_nobody_did_anything() -> None:
    found = find([], n=3)
    assert found.start.tolist() == [0, 0, 0, 0]
    assert found.breadth.tolist() == [0, 0, 0]
    assert find_hours(facts=make_facts([]), as_of=1.0, half_life_days=1.0, n_customers=0, most=1).start.tolist() == [0]


def test_random_facts_agree_with_counting_one_by_one() -> None:
    draws = np.random.default_rng(6)
    rows = [
        (int(draws.integers(6)), int(draws.integers(-1, 4)), float(draws.uniform(0, 120)), float(draws.integers(0, 3)))
        for _ in range(300)
    ]
    found = find(rows, n=6, codes=4, most=4)
    for customer in range(6):
        weights = dict.fromkeys(range(4), 0.0)
        for who, code, at, weight in rows:
            if who == customer and code >= 0 and at < 100.0:
                weights[code] += weight * 2 ** ((at - 100.0) / 10.0)
        ranked = sorted((w for w in weights.values() if w > 0), reverse=True)
        assert found.weight[found.of(customer)].tolist() == pytest.approx(ranked)
        assert found.share[found.of(customer)].sum() == pytest.approx(1.0)
        assert found.total[customer] == pytest.approx(sum(ranked))


def test_hours_lend_to_their_neighbours_round_the_clock() -> None:
    found = find_hours(
        facts=make_facts([(0, 0, 10.0, 4.0), (1, 8, 3.0, 1.0), (1, 9, 5.0, 1.0), (1, 10, 4.0, 1.0)]),
        as_of=11.0, half_life_days=1e9, n_customers=2, most=3,
    )  # fmt: skip
    assert sorted(found.code[found.of(0)].tolist()) == [0, 1, 23]
    assert found.code[0] == 0
    assert found.share[found.of(0)].tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert found.evidence[found.of(0)].tolist() == [1, 0, 0]
    assert found.newest[found.of(0)].tolist() == [10.0, 10.0, 10.0]
    assert found.code[found.of(1)].tolist()[0] == 9
    assert found.share[found.of(1)][0] == pytest.approx(1 / 3)
    assert found.newest[found.of(1)][0] == 5.0
    assert found.facts.tolist() == [1, 3]


def test_codes_are_lifted_to_each_level_of_their_path() -> None:
    """0 Home, 1 Home > Kitchen, 2 Home > Kitchen > Pans, 3 Garden"""
    ancestors = np.array([[0, -1, -1], [0, 1, -1], [0, 1, 2], [3, -1, -1]])
    code = np.array([2, 1, 3, -1])
    assert at_level(code=code, ancestors=ancestors, level=0).tolist() == [0, 0, 3, -1]
    assert at_level(code=code, ancestors=ancestors, level=1).tolist() == [1, 1, -1, -1]
    assert at_level(code=code, ancestors=ancestors, level=2).tolist() == [2, -1, -1, -1]


def test_prices_fall_into_fifths_of_the_shop_s() -> None:
    price = np.arange(1.0, 101.0)
    bands = price_band(price=price, edges=price_edges(price))
    assert np.bincount(bands).tolist() == [20, 20, 20, 20, 20]
    assert price_band(price=np.array([np.nan, -5.0, 1e9]), edges=price_edges(price)).tolist() == [-1, 0, 4]
    same = np.full(7, 3.0)
    assert len(set(price_band(price=same, edges=price_edges(same)).tolist())) == 1


def test_what_makes_no_sense_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="code must be -1…4"):
        find([(0, 5, 1.0, 1.0)])
    with pytest.raises(ValueError, match="customer must be 0…1"):
        find([(2, 1, 1.0, 1.0)])
    with pytest.raises(ValueError, match="weight"):
        find([(0, 1, 1.0, -1.0)])
    with pytest.raises(ValueError, match="at must be"):
        find([(0, 1, np.nan, 1.0)])
    with pytest.raises(ValueError, match="half_life_days"):
        find([(0, 1, 1.0, 1.0)], half_life_days=0.0)
    with pytest.raises(ValueError, match="most"):
        find([(0, 1, 1.0, 1.0)], most=0)
    with pytest.raises(ValueError, match="no price at all"):
        price_edges(np.array([np.nan]))
    with pytest.raises(ValueError, match="level"):
        at_level(code=np.array([0]), ancestors=np.array([[0]]), level=1)
    with pytest.raises(ValueError, match="one entry a fact"):
        find_interests(
            facts=Facts(np.zeros(2, np.int64), np.zeros(1, np.int64), np.zeros(2), np.zeros(2)),
            as_of=1.0, half_life_days=1.0, n_customers=1, n_codes=1, most=1,
        )  # fmt: skip
