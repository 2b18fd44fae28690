"""Names of clusters, and clusters matched with those of the previous run; computed by hand."""

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


def make_deviations(**deviations: float) -> tuple[FeatureDeviation, ...]:
    ordered = sorted(deviations.items(), key=lambda item: -abs(item[1]))
    return tuple(FeatureDeviation(feature, "high" if size > 0 else "low", size) for feature, size in ordered)


def make_scaling(*features: str, mean: float = 0.0, deviation: float = 1.0, unit: float = 1.0) -> FeatureScaling:
    d = len(features)
    return FeatureScaling(tuple(features), np.full(d, unit), np.ones(d), np.full(d, mean), np.full(d, deviation))


def test_the_largest_deviation_comes_first() -> None:
    ranked = rank_deviations(
        means=np.array([[0.1, -2.0], [1.0, 0.5]]),
        overall_mean=np.array([0.1, 0.5]),
        features=("orders", "recency_days"),
    )
    assert ranked[0] == (FeatureDeviation("recency_days", "low", -2.5), FeatureDeviation("orders", "low", 0.0))
    assert ranked[1] == (FeatureDeviation("orders", "high", 0.9), FeatureDeviation("recency_days", "low", 0.0))


def test_a_name_has_the_two_most_distinctive_features_or_three_if_two_are_ambiguous() -> None:
    rows = [
        make_deviations(monetary=2.0, recency_days=-1.0),
        make_deviations(monetary=1.5, discount=0.8, recency_days=0.6),
        make_deviations(discount=1.5, monetary=0.8),
        make_deviations(gap_days=1.5, orders=0.2),
        make_deviations(orders=-1.0, monetary=-0.9),
        make_deviations(orders=0.1, monetary=-0.2),
    ]
    assert build_unique_names(deviations=rows, retained_names=[None] * 6, numbers=[1, 2, 3, 4, 5, 6]) == [
        (("high", "monetary"), ("low", "recency_days")),
        (("high", "monetary"), ("high", "discount"), ("high", "recency_days")),
        (("high", "discount"), ("high", "monetary")),
        (("high", "gap_days"),),
        (("low", "orders"), ("low", "monetary")),
        (("typical", ""),),
    ]


def test_clusters_with_the_same_three_parts_are_numbered() -> None:
    rows = [
        make_deviations(a=3.0, b=2.0, c=1.0, d=0.5),
        make_deviations(c=3.0, a=2.0, b=1.0, d=-0.5),
        make_deviations(a=0.1),
        make_deviations(a=-0.1),
    ]
    names = build_unique_names(deviations=rows, retained_names=[None] * 4, numbers=[4, 7, 8, 9])
    assert names == [
        (("high", "a"), ("high", "b")),
        (("high", "c"), ("high", "a")),
        (("typical", ""), ("number", "8")),
        (("typical", ""), ("number", "9")),
    ]
    rows = [make_deviations(a=3.0, b=2.0, c=1.0), make_deviations(a=2.5, b=2.0, c=1.0)]
    names = build_unique_names(deviations=rows, retained_names=[None] * 2, numbers=[4, 7])
    assert len(set(names)) == 2
    assert names[0][-1] == ("number", "4")


def test_previous_names_stay_and_new_ones_avoid_them() -> None:
    previous_name = (("high", "monetary"),)
    names = build_unique_names(
        deviations=[make_deviations(monetary=1.0), make_deviations(monetary=2.0, orders=1.0)],
        retained_names=[previous_name, None],
        numbers=[1, 2],
    )
    assert names == [previous_name, (("high", "monetary"), ("high", "orders"))]


def test_names_are_always_unique() -> None:
    draws = np.random.default_rng(8)
    for _ in range(200):
        k, d = draws.integers(2, 11), draws.integers(1, 5)
        rows = rank_deviations(
            means=draws.normal(size=(k, d)), overall_mean=np.zeros(d), features=[f"f{i}" for i in range(d)]
        )
        names = build_unique_names(deviations=rows, retained_names=[None] * k, numbers=list(range(k)))
        assert len({frozenset(name) for name in names}) == k


def test_a_name_is_accurate_while_its_directions_are() -> None:
    name = (("high", "monetary"), ("low", "recency_days"))
    assert is_name_accurate(name=name, deviations=make_deviations(recency_days=-0.2, monetary=0.4))
    assert not is_name_accurate(name=name, deviations=make_deviations(recency_days=0.2, monetary=0.4))
    assert not is_name_accurate(name=name, deviations=make_deviations(monetary=0.4))
    assert is_name_accurate(name=(("typical", ""), ("number", "3")), deviations=make_deviations(monetary=0.4))


def test_centroids_are_compared_in_the_units_of_the_features() -> None:
    """In the new run 0 is 10 orders and one deviation 2.

    In the previous run 0 was 8 orders and one deviation 4.
    """
    distances = compute_centroid_distances(
        new=np.array([[0.0], [1.0]]),
        new_scaling=make_scaling("orders", mean=10.0, deviation=2.0),
        previous=np.array([[0.5], [-1.0]]),
        previous_scaling=make_scaling("orders", mean=8.0, deviation=4.0),
    )
    assert distances == pytest.approx(np.array([[0.0, 1.5], [0.5, 2.0]]))


def test_distances_use_only_features_of_both_runs() -> None:
    distances = compute_centroid_distances(
        new=np.array([[1.0, 5.0]]),
        new_scaling=make_scaling("orders", "visits"),
        previous=np.array([[3.0, 1.0]]),
        previous_scaling=make_scaling("returns", "orders"),
    )
    assert distances == pytest.approx(np.array([[0.0]]))
    infinite_distances = compute_centroid_distances(
        new=np.array([[1.0]]),
        new_scaling=make_scaling("a"),
        previous=np.array([[1.0]]),
        previous_scaling=make_scaling("b"),
    )
    assert match_clusters(infinite_distances).tolist() == [-1]


def test_each_cluster_is_matched_once_and_far_ones_are_new() -> None:
    distances = np.array([[0.1, 0.2, 9.0], [0.15, 0.45, 9.0], [9.0, 9.0, 0.6]])
    assert match_clusters(distances, max_distance=0.5).tolist() == [1, 0, -1]
    assert match_clusters(distances, max_distance=0.7).tolist() == [1, 0, 2]
    assert match_clusters(np.empty((2, 0))).tolist() == [-1, -1]


def test_a_far_pair_never_displaces_a_near_one() -> None:
    """Pairing 0–0 and leaving 1–1 alone costs less than two pairs of 0.5 each."""
    assert match_clusters(np.array([[0.1, 0.45], [0.45, 99.0]]), max_distance=0.5).tolist() == [0, -1]
