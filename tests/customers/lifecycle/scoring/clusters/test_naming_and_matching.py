"""Names by hand, and clusters found again."""

import numpy as np
import pytest

from customers.lifecycle.scoring.clusters.matching import distances_between, matched
from customers.lifecycle.scoring.clusters.naming import Deviation, deviations_of, still_true, unique_names
from customers.lifecycle.scoring.clusters.scaling import Scaling


def out(**deviations: float) -> tuple[Deviation, ...]:
    ordered = sorted(deviations.items(), key=lambda item: -abs(item[1]))
    return tuple(Deviation(feature, "high" if size > 0 else "low", size) for feature, size in ordered)


def make_scaling(*features: str, mean: float = 0.0, deviation: float = 1.0, unit: float = 1.0) -> Scaling:
    d = len(features)
    return Scaling(tuple(features), np.full(d, unit), np.ones(d), np.full(d, mean), np.full(d, deviation))


def test_what_lies_farthest_from_all_customers_comes_first() -> None:
    found = deviations_of(
        means=np.array([[0.1, -2.0], [1.0, 0.5]]), mean_of_all=np.array([0.1, 0.5]), features=("orders", "recency_days")
    )
    assert found[0] == (Deviation("recency_days", "low", -2.5), Deviation("orders", "low", 0.0))
    assert found[1] == (Deviation("orders", "high", 0.9), Deviation("recency_days", "low", 0.0))


def test_a_name_says_the_two_things_that_stand_out_most_or_three_where_two_are_shared() -> None:
    rows = [
        out(monetary=2.0, recency_days=-1.0),
        out(monetary=1.5, discount=0.8, recency_days=0.6),
        out(discount=1.5, monetary=0.8),
        out(gap_days=1.5, orders=0.2),
        out(orders=-1.0, monetary=-0.9),
        out(orders=0.1, monetary=-0.2),
    ]
    assert unique_names(standing_out=rows, taken=[None] * 6, numbers=[1, 2, 3, 4, 5, 6]) == [
        (("high", "monetary"), ("low", "recency_days")),
        (("high", "monetary"), ("high", "discount"), ("high", "recency_days")),
        (("high", "discount"), ("high", "monetary")),
        (("high", "gap_days"),),
        (("low", "orders"), ("low", "monetary")),
        (("typical", ""),),
    ]


def test_clusters_that_three_parts_don_t_tell_apart_are_numbered() -> None:
    rows = [out(a=3.0, b=2.0, c=1.0, d=0.5), out(c=3.0, a=2.0, b=1.0, d=-0.5), out(a=0.1), out(a=-0.1)]
    names = unique_names(standing_out=rows, taken=[None] * 4, numbers=[4, 7, 8, 9])
    assert names == [
        (("high", "a"), ("high", "b")),
        (("high", "c"), ("high", "a")),
        (("typical", ""), ("number", "8")),
        (("typical", ""), ("number", "9")),
    ]
    rows = [out(a=3.0, b=2.0, c=1.0), out(a=2.5, b=2.0, c=1.0)]
    names = unique_names(standing_out=rows, taken=[None] * 2, numbers=[4, 7])
    assert len(set(names)) == 2
    assert names[0][-1] == ("number", "4")


def test_kept_names_stay_and_new_ones_avoid_them() -> None:
    kept = (("high", "monetary"),)
    names = unique_names(
        standing_out=[out(monetary=1.0), out(monetary=2.0, orders=1.0)], taken=[kept, None], numbers=[1, 2]
    )
    assert names == [kept, (("high", "monetary"), ("high", "orders"))]


def test_names_are_always_unique() -> None:
    draws = np.random.default_rng(8)
    for _ in range(200):
        k, d = draws.integers(2, 11), draws.integers(1, 5)
        rows = deviations_of(
            means=draws.normal(size=(k, d)), mean_of_all=np.zeros(d), features=[f"f{i}" for i in range(d)]
        )
        names = unique_names(standing_out=rows, taken=[None] * k, numbers=list(range(k)))
        assert len({frozenset(name) for name in names}) == k


def test_a_name_holds_while_its_directions_do() -> None:
    name = (("high", "monetary"), ("low", "recency_days"))
    assert still_true(name=name, standing_out=out(recency_days=-0.2, monetary=0.4))
    assert not still_true(name=name, standing_out=out(recency_days=0.2, monetary=0.4))
    assert not still_true(name=name, standing_out=out(monetary=0.4))
    assert still_true(name=(("typical", ""), ("number", "3")), standing_out=out(monetary=0.4))


def test_centroids_are_compared_in_the_units_of_the_features() -> None:
    """The new run's 0 is 10 orders, one deviation is 2; in the former 0 was 8 and one deviation 4."""
    apart = distances_between(
        new=np.array([[0.0], [1.0]]),
        new_scaling=make_scaling("orders", mean=10.0, deviation=2.0),
        former=np.array([[0.5], [-1.0]]),
        former_scaling=make_scaling("orders", mean=8.0, deviation=4.0),
    )
    assert apart == pytest.approx(np.array([[0.0, 1.5], [0.5, 2.0]]))


def test_only_features_of_both_runs_count() -> None:
    apart = distances_between(
        new=np.array([[1.0, 5.0]]),
        new_scaling=make_scaling("orders", "visits"),
        former=np.array([[3.0, 1.0]]),
        former_scaling=make_scaling("returns", "orders"),
    )
    assert apart == pytest.approx(np.array([[0.0]]))
    nothing = distances_between(
        new=np.array([[1.0]]), new_scaling=make_scaling("a"), former=np.array([[1.0]]), former_scaling=make_scaling("b")
    )
    assert matched(nothing).tolist() == [-1]


def test_each_cluster_is_matched_once_and_the_far_ones_are_new() -> None:
    apart = np.array([[0.1, 0.2, 9.0], [0.15, 0.45, 9.0], [9.0, 9.0, 0.6]])
    assert matched(apart, largest=0.5).tolist() == [1, 0, -1]
    assert matched(apart, largest=0.7).tolist() == [1, 0, 2]
    assert matched(np.empty((2, 0))).tolist() == [-1, -1]


def test_a_far_pair_never_pushes_a_near_one_aside() -> None:
    """Pairing 0–0 and leaving 1–1 alone costs less than two pairs of 0.5 each."""
    assert matched(np.array([[0.1, 0.45], [0.45, 99.0]]), largest=0.5).tolist() == [0, -1]
