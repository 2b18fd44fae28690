"""Names by hand, and clusters found again."""

import numpy as np
import pytest

from customers.lifecycle.scoring.clusters.matching import compute_centroid_distances, match_clusters
from customers.lifecycle.scoring.clusters.naming import (
    FeatureDeviation,
    build_unique_names,
    is_name_accurate,
    rank_deviations,
)
from customers.lifecycle.scoring.clusters.scaling import FeatureScaling


def out(**deviations: float) -> tuple[FeatureDeviation, ...]:
    ordered = sorted(deviations.items(), key=lambda item: -abs(item[1]))
    return tuple(FeatureDeviation(feature, "high" if size > 0 else "low", size) for feature, size in ordered)


def make_scaling(*features: str, mean: float = 0.0, deviation: float = 1.0, unit: float = 1.0) -> FeatureScaling:
    d = len(features)
    return FeatureScaling(tuple(features), np.full(d, unit), np.ones(d), np.full(d, mean), np.full(d, deviation))


def test_the_largest_deviation_comes_first() -> None:
    found = rank_deviations(
        means=np.array([[0.1, -2.0], [1.0, 0.5]]),
        overall_mean=np.array([0.1, 0.5]),
        features=("orders", "recency_days"),
    )
    assert found[0] == (FeatureDeviation("recency_days", "low", -2.5), FeatureDeviation("orders", "low", 0.0))
    assert found[1] == (FeatureDeviation("orders", "high", 0.9), FeatureDeviation("recency_days", "low", 0.0))


def test_a_name_says_the_two_things_that_stand_out_most_or_three_where_two_are_shared() -> None:
    rows = [
        out(monetary=2.0, recency_days=-1.0),
        out(monetary=1.5, discount=0.8, recency_days=0.6),
        out(discount=1.5, monetary=0.8),
        out(gap_days=1.5, orders=0.2),
        out(orders=-1.0, monetary=-0.9),
        out(orders=0.1, monetary=-0.2),
    ]
    assert build_unique_names(deviations=rows, kept=[None] * 6, numbers=[1, 2, 3, 4, 5, 6]) == [
        (("high", "monetary"), ("low", "recency_days")),
        (("high", "monetary"), ("high", "discount"), ("high", "recency_days")),
        (("high", "discount"), ("high", "monetary")),
        (("high", "gap_days"),),
        (("low", "orders"), ("low", "monetary")),
        (("typical", ""),),
    ]


def test_clusters_with_the_same_three_parts_are_numbered() -> None:
    rows = [out(a=3.0, b=2.0, c=1.0, d=0.5), out(c=3.0, a=2.0, b=1.0, d=-0.5), out(a=0.1), out(a=-0.1)]
    names = build_unique_names(deviations=rows, kept=[None] * 4, numbers=[4, 7, 8, 9])
    assert names == [
        (("high", "a"), ("high", "b")),
        (("high", "c"), ("high", "a")),
        (("typical", ""), ("number", "8")),
        (("typical", ""), ("number", "9")),
    ]
    rows = [out(a=3.0, b=2.0, c=1.0), out(a=2.5, b=2.0, c=1.0)]
    names = build_unique_names(deviations=rows, kept=[None] * 2, numbers=[4, 7])
    assert len(set(names)) == 2
    assert names[0][-1] == ("number", "4")


def test_kept_names_stay_and_new_ones_avoid_them() -> None:
    kept = (("high", "monetary"),)
    names = build_unique_names(
        deviations=[out(monetary=1.0), out(monetary=2.0, orders=1.0)], kept=[kept, None], numbers=[1, 2]
    )
    assert names == [kept, (("high", "monetary"), ("high", "orders"))]


def test_names_are_always_unique() -> None:
    draws = np.random.default_rng(8)
    for _ in range(200):
        k, d = draws.integers(2, 11), draws.integers(1, 5)
        rows = rank_deviations(
            means=draws.normal(size=(k, d)), overall_mean=np.zeros(d), features=[f"f{i}" for i in range(d)]
        )
        names = build_unique_names(deviations=rows, kept=[None] * k, numbers=list(range(k)))
        assert len({frozenset(name) for name in names}) == k


def test_a_name_holds_while_its_directions_do() -> None:
    name = (("high", "monetary"), ("low", "recency_days"))
    assert is_name_accurate(name=name, deviations=out(recency_days=-0.2, monetary=0.4))
    assert not is_name_accurate(name=name, deviations=out(recency_days=0.2, monetary=0.4))
    assert not is_name_accurate(name=name, deviations=out(monetary=0.4))
    assert is_name_accurate(name=(("typical", ""), ("number", "3")), deviations=out(monetary=0.4))


def test_centroids_are_compared_in_the_units_of_the_features() -> None:
    """The new run's 0 is 10 orders, one deviation is 2; in the former 0 was 8 and one deviation 4."""
    apart = compute_centroid_distances(
        new=np.array([[0.0], [1.0]]),
        new_scaling=make_scaling("orders", mean=10.0, deviation=2.0),
        previous=np.array([[0.5], [-1.0]]),
        previous_scaling=make_scaling("orders", mean=8.0, deviation=4.0),
    )
    assert apart == pytest.approx(np.array([[0.0, 1.5], [0.5, 2.0]]))


def test_only_features_of_both_runs_count() -> None:
    apart = compute_centroid_distances(
        new=np.array([[1.0, 5.0]]),
        new_scaling=make_scaling("orders", "visits"),
        previous=np.array([[3.0, 1.0]]),
        previous_scaling=make_scaling("returns", "orders"),
    )
    assert apart == pytest.approx(np.array([[0.0]]))
    nothing = compute_centroid_distances(
        new=np.array([[1.0]]),
        new_scaling=make_scaling("a"),
        previous=np.array([[1.0]]),
        previous_scaling=make_scaling("b"),
    )
    assert match_clusters(nothing).tolist() == [-1]


def test_each_cluster_is_matched_once_and_the_far_ones_are_new() -> None:
    apart = np.array([[0.1, 0.2, 9.0], [0.15, 0.45, 9.0], [9.0, 9.0, 0.6]])
    assert match_clusters(apart, max_distance=0.5).tolist() == [1, 0, -1]
    assert match_clusters(apart, max_distance=0.7).tolist() == [1, 0, 2]
    assert match_clusters(np.empty((2, 0))).tolist() == [-1, -1]


def test_a_far_pair_never_displaces_a_near_one() -> None:
    """Pairing 0–0 and leaving 1–1 alone costs less than two pairs of 0.5 each."""
    assert match_clusters(np.array([[0.1, 0.45], [0.45, 99.0]]), max_distance=0.5).tolist() == [0, -1]
