"""Clusters of customers, their names, and both from run to run."""

import json

import numpy as np
import pytest

from customers.lifecycle.scoring.clusters.cluster_model import ClusterModel, assign_clusters
from customers.lifecycle.scoring.clusters.clustering import (
    REASONS,
    ClusteringResult,
    ClusteringUnavailable,
    find_clusters,
)
from customers.lifecycle.scoring.clusters.serialization import load_clusters, save_clusters, serialize_clusters

NAMES = ("recency_days", "orders", "monetary", "discount_share")
KINDS = np.array(
    [[10.0, 20.0, 3_000.0, 0.1], [200.0, 2.0, 60.0, 0.1], [30.0, 5.0, 300.0, 0.7], [400.0, 1.0, 900.0, 0.05]]
)
SHARES = (0.1, 0.4, 0.3, 0.2)


def make_customers(n: int = 3_000, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return log-normal features around four kinds of customers.

    They are best, lapsing, bargain hunters and one-time big spenders.
    """
    draws = np.random.default_rng(seed)
    kind = draws.choice(4, n, p=SHARES)
    return KINDS[kind] * draws.lognormal(0.0, 0.3, (n, 4)), kind


def find_or_fail(features: np.ndarray, **options: object) -> ClusteringResult:
    result = find_clusters(features=features, names=NAMES, **options)
    assert isinstance(result, ClusteringResult)
    return result


def list_names(result: ClusteringResult) -> np.ndarray:
    names = {cluster.id: str(cluster.name) for cluster in result.model.clusters}
    return np.array([names[own] for own in result.cluster.tolist()])


def compute_purity(cluster: np.ndarray, kind: np.ndarray) -> float:
    return sum(np.bincount(kind[cluster == own]).max() for own in np.unique(cluster)) / len(kind)


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_four_types_of_customers_are_found_and_named_by_distinctive_features(method: str) -> None:
    features, kind = make_customers()
    result = find_or_fail(features, method=method)
    assert len(result.model.clusters) == 4
    assert compute_purity(result.cluster, kind) > 0.98
    assert result.model.stable
    assert result.model.stability > 0.9
    by_kind = {}
    for number in range(4):
        own = np.bincount(result.cluster[kind == number]).argmax()
        by_kind[number] = next(cluster for cluster in result.model.clusters if cluster.id == own)
    assert ("high", "discount_share") in by_kind[2].name
    assert by_kind[0].name[0][0] == "high"
    assert by_kind[0].radar["orders"] > 90
    assert by_kind[3].radar["recency_days"] > 80 > 30 > by_kind[0].radar["recency_days"]
    assert by_kind[0].medians["monetary"] == pytest.approx(3_000, rel=0.1)
    assert sum(cluster.customers for cluster in result.model.clusters) == len(features)
    assert sum(cluster.share for cluster in result.model.clusters) == pytest.approx(1.0)
    assert len({cluster.name for cluster in result.model.clusters}) == 4


def test_a_stored_model_assigns_the_same_clusters(tmp_path) -> None:
    features, _ = make_customers()
    features[::7, 2] = np.nan
    result = find_or_fail(features)
    save_clusters(model=result.model, folder=tmp_path / "model")
    loaded = load_clusters(folder=tmp_path / "model")
    assert loaded.clusters == result.model.clusters
    assert loaded.candidates == result.model.candidates
    metadata = [json.dumps(serialize_clusters(model)[1], sort_keys=True) for model in (loaded, result.model)]
    assert metadata[0] == metadata[1]
    for model in (result.model, loaded):
        assigned = assign_clusters(model=model, features=features, names=NAMES)
        assert (assigned.cluster == result.cluster).all()
        assert np.isfinite(assigned.distance).all()
    first = assign_clusters(model=loaded, features=features[5:6], names=NAMES)
    assert first.cluster[0] == result.cluster[5]


def test_a_model_of_another_format_is_rejected(tmp_path) -> None:
    save_clusters(model=find_or_fail(make_customers(200)[0]).model, folder=tmp_path)
    file = tmp_path / "clusters.json"
    file.write_text(file.read_text().replace('"format": 2', '"format": 99'))
    with pytest.raises(ValueError, match="format 99"):
        load_clusters(folder=tmp_path)


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_the_same_seed_gives_the_same_clusters(method: str) -> None:
    features, _ = make_customers(800)
    first, second = find_or_fail(features, method=method, seed=5), find_or_fail(features, method=method, seed=5)
    assert (first.cluster == second.cluster).all()
    assert first.model.clusters == second.model.clusters


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_slightly_changed_customers_keep_the_names_of_their_clusters(method: str) -> None:
    features, _ = make_customers()
    draws = np.random.default_rng(9)
    first = find_or_fail(features, method=method)
    later = features * draws.lognormal(0.0, 0.02, features.shape)
    later[:, 0] += 7.0
    changed = draws.choice(len(later), 60, replace=False)
    later[changed] = make_customers(60, seed=77)[0]
    second = find_or_fail(later, method=method, seed=1, previous=first.model)
    assert (list_names(first) == list_names(second)).mean() >= 0.95
    assert (first.cluster == second.cluster).mean() >= 0.95
    assert all(cluster.shift is not None and cluster.shift < 0.5 for cluster in second.model.clusters)


@pytest.mark.parametrize("seed", [3, 4])
def test_names_stay_even_without_true_clusters(seed: int) -> None:
    draws = np.random.default_rng(4)
    features = draws.lognormal(0.0, 1.0, (2_000, 4)) * [50, 3, 200, 0.2]
    features[:, 2] *= features[:, 1]
    first = find_or_fail(features)
    second = find_or_fail(features * draws.lognormal(0.0, 0.02, features.shape), seed=seed, previous=first.model)
    assert (list_names(first) == list_names(second)).mean() >= 0.95


def test_a_new_type_of_customers_gets_a_new_id_and_a_removed_one_leaves_its_id_unused() -> None:
    features, kind = make_customers()
    first = find_or_fail(features[kind != 3], k=3)
    assert sorted(cluster.id for cluster in first.model.clusters) == [1, 2, 3]
    second = find_or_fail(features, k=4, previous=first.model)
    new_clusters = [cluster for cluster in second.model.clusters if cluster.shift is None]
    assert [cluster.id for cluster in new_clusters] == [4]
    assert (second.cluster[kind == 3] == 4).mean() > 0.95
    third = find_or_fail(features[kind != 0], k=3, previous=second.model)
    assert len(third.model.ended_ids) == 1
    fourth = find_or_fail(features, k=4, previous=third.model)
    assert max(cluster.id for cluster in fourth.model.clusters) == 5
    assert third.model.ended_ids[0] not in {cluster.id for cluster in fourth.model.clusters}


def test_a_name_that_is_no_longer_accurate_is_replaced() -> None:
    features, _ = make_customers()
    model = find_or_fail(features).model
    own = model.clusters[0]
    wrong = tuple(("low" if direction == "high" else "high", feature) for direction, feature in own.name)
    model_with_wrong_name = ClusterModel(
        **vars(model) | {"clusters": (type(own)(**vars(own) | {"name": wrong}), *model.clusters[1:])}
    )
    refitted = find_or_fail(features, previous=model_with_wrong_name).model
    assert next(cluster for cluster in refitted.clusters if cluster.id == own.id).name != wrong


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (np.empty((0, 4)), "too_few_customers"),
        (np.random.default_rng(0).normal(size=(29, 4)), "too_few_customers"),
        (np.full((100, 4), 3.0), "no_feature_varies"),
        (np.full((100, 4), np.nan), "no_feature_varies"),
        (np.repeat([[0.0] * 4, [1.0] * 4], 50, axis=0), "too_few_different"),
    ],
)
def test_without_clusters_there_is_a_reason(features: np.ndarray, reason: str) -> None:
    result = find_clusters(features=features, names=NAMES)
    assert isinstance(result, ClusteringUnavailable)
    assert result.reason == reason
    assert result.reason in REASONS


def test_fewer_customers_than_requested_clusters_give_a_reason() -> None:
    result = find_clusters(features=np.arange(16.0).reshape(4, 4), names=NAMES, k=5)
    assert isinstance(result, ClusteringUnavailable)
    assert result.reason == "too_few_customers"


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_unusual_columns_give_finite_figures(method: str) -> None:
    draws = np.random.default_rng(0)
    n = 300
    features = np.stack(
        [draws.choice([0.0, 0.0, 0.0, 1.0], n), np.where(np.arange(n) == 3, 1e12, 0.0), draws.normal(size=n) * 1e-9,
         np.where(draws.random(n) < 0.9, np.nan, draws.lognormal(0, 3, n))], axis=1
    )  # fmt: skip
    result = find_or_fail(features, method=method)
    metadata = serialize_clusters(result.model)[1]
    assert "NaN" not in json.dumps(metadata)
    assert "Infinity" not in json.dumps(metadata)
    assert np.isfinite(result.model.centroids).all()
    assert all(0 <= percentile <= 100 for cluster in result.model.clusters for percentile in cluster.radar.values())


def test_invalid_arguments_are_rejected_by_name() -> None:
    features, _ = make_customers(100)
    with pytest.raises(ValueError, match="method"):
        find_clusters(features=features, names=NAMES, method="dbscan")
    with pytest.raises(ValueError, match="k must be"):
        find_clusters(features=features, names=NAMES, k=1)
    with pytest.raises(ValueError, match="infinite"):
        find_clusters(features=np.full((50, 4), np.inf), names=NAMES)
