"""From customers to clusters with names, from run to run."""

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
    """Log-normal around four kinds of customers: best, fading, bargain hunters, who once spent much."""
    draws = np.random.default_rng(seed)
    kind = draws.choice(4, n, p=SHARES)
    return KINDS[kind] * draws.lognormal(0.0, 0.3, (n, 4)), kind


def find(features: np.ndarray, **options: object) -> ClusteringResult:
    found = find_clusters(features=features, names=NAMES, **options)
    assert isinstance(found, ClusteringResult)
    return found


def names_of(found: ClusteringResult) -> np.ndarray:
    names = {cluster.id: str(cluster.name) for cluster in found.model.clusters}
    return np.array([names[own] for own in found.cluster.tolist()])


def purity(cluster: np.ndarray, kind: np.ndarray) -> float:
    return sum(np.bincount(kind[cluster == own]).max() for own in np.unique(cluster)) / len(kind)


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_four_types_of_customers_are_found_and_named_by_distinctive_features(method: str) -> None:
    features, kind = make_customers()
    found = find(features, method=method)
    assert len(found.model.clusters) == 4
    assert purity(found.cluster, kind) > 0.98
    assert found.model.stable
    assert found.model.stability > 0.9
    by_kind = {}
    for place in range(4):
        own = np.bincount(found.cluster[kind == place]).argmax()
        by_kind[place] = next(cluster for cluster in found.model.clusters if cluster.id == own)
    assert ("high", "discount_share") in by_kind[2].name
    assert by_kind[0].name[0][0] == "high"
    assert by_kind[0].radar["orders"] > 90
    assert by_kind[3].radar["recency_days"] > 80 > 30 > by_kind[0].radar["recency_days"]
    assert by_kind[0].medians["monetary"] == pytest.approx(3_000, rel=0.1)
    assert sum(cluster.customers for cluster in found.model.clusters) == len(features)
    assert sum(cluster.share for cluster in found.model.clusters) == pytest.approx(1.0)
    assert len({cluster.name for cluster in found.model.clusters}) == 4


def test_the_stored_model_says_the_same_of_everyone(tmp_path) -> None:
    features, _ = make_customers()
    features[::7, 2] = np.nan
    found = find(features)
    save_clusters(model=found.model, folder=tmp_path / "model")
    loaded = load_clusters(folder=tmp_path / "model")
    assert loaded.clusters == found.model.clusters
    assert loaded.candidates == found.model.candidates
    words = [json.dumps(serialize_clusters(model)[1], sort_keys=True) for model in (loaded, found.model)]
    assert words[0] == words[1]
    for model in (found.model, loaded):
        assigned = assign_clusters(model=model, features=features, names=NAMES)
        assert (assigned.cluster == found.cluster).all()
        assert np.isfinite(assigned.distance).all()
    one = assign_clusters(model=loaded, features=features[5:6], names=NAMES)
    assert one.cluster[0] == found.cluster[5]


def test_a_model_of_another_format_is_refused(tmp_path) -> None:
    save_clusters(model=find(make_customers(200)[0]).model, folder=tmp_path)
    file = tmp_path / "clusters.json"
    file.write_text(file.read_text().replace('"format": 2', '"format": 99'))
    with pytest.raises(ValueError, match="format 99"):
        load_clusters(folder=tmp_path)


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_same_seed_same_answer(method: str) -> None:
    features, _ = make_customers(800)
    one, other = find(features, method=method, seed=5), find(features, method=method, seed=5)
    assert (one.cluster == other.cluster).all()
    assert one.model.clusters == other.model.clusters


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_slightly_changed_customers_keep_the_names_of_their_clusters(method: str) -> None:
    features, _ = make_customers()
    draws = np.random.default_rng(9)
    first = find(features, method=method)
    later = features * draws.lognormal(0.0, 0.02, features.shape)
    later[:, 0] += 7.0
    changed = draws.choice(len(later), 60, replace=False)
    later[changed] = make_customers(60, seed=77)[0]
    second = find(later, method=method, seed=1, previous=first.model)
    assert (names_of(first) == names_of(second)).mean() >= 0.95
    assert (first.cluster == second.cluster).mean() >= 0.95
    assert all(cluster.shift is not None and cluster.shift < 0.5 for cluster in second.model.clusters)


@pytest.mark.parametrize("seed", [3, 4])
def test_names_stay_where_there_are_no_true_clusters_either(seed: int) -> None:
    draws = np.random.default_rng(4)
    features = draws.lognormal(0.0, 1.0, (2_000, 4)) * [50, 3, 200, 0.2]
    features[:, 2] *= features[:, 1]
    first = find(features)
    second = find(features * draws.lognormal(0.0, 0.02, features.shape), seed=seed, previous=first.model)
    assert (names_of(first) == names_of(second)).mean() >= 0.95


def test_an_added_type_of_customers_gets_a_new_id_and_a_removed_one_leaves_its_id_unused() -> None:
    features, kind = make_customers()
    first = find(features[kind != 3], k=3)
    assert sorted(cluster.id for cluster in first.model.clusters) == [1, 2, 3]
    second = find(features, k=4, previous=first.model)
    born = [cluster for cluster in second.model.clusters if cluster.shift is None]
    assert [cluster.id for cluster in born] == [4]
    assert (second.cluster[kind == 3] == 4).mean() > 0.95
    third = find(features[kind != 0], k=3, previous=second.model)
    assert len(third.model.ended_ids) == 1
    fourth = find(features, k=4, previous=third.model)
    assert max(cluster.id for cluster in fourth.model.clusters) == 5
    assert third.model.ended_ids[0] not in {cluster.id for cluster in fourth.model.clusters}


def test_a_name_that_is_no_longer_true_is_given_up() -> None:
    features, _ = make_customers()
    model = find(features).model
    own = model.clusters[0]
    wrong = tuple(("low" if direction == "high" else "high", feature) for direction, feature in own.name)
    lied = ClusterModel(**vars(model) | {"clusters": (type(own)(**vars(own) | {"name": wrong}), *model.clusters[1:])})
    again = find(features, previous=lied).model
    assert next(cluster for cluster in again.clusters if cluster.id == own.id).name != wrong


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
def test_where_there_are_no_clusters_the_reason_is_named(features: np.ndarray, reason: str) -> None:
    found = find_clusters(features=features, names=NAMES)
    assert isinstance(found, ClusteringUnavailable)
    assert found.reason == reason
    assert found.reason in REASONS


def test_fewer_customers_than_the_clusters_asked_for_is_a_reason_not_an_error() -> None:
    found = find_clusters(features=np.arange(16.0).reshape(4, 4), names=NAMES, k=5)
    assert isinstance(found, ClusteringUnavailable)
    assert found.reason == "too_few_customers"


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_odd_columns_never_make_a_figure_that_is_none(method: str) -> None:
    draws = np.random.default_rng(0)
    n = 300
    features = np.stack(
        [draws.choice([0.0, 0.0, 0.0, 1.0], n), np.where(np.arange(n) == 3, 1e12, 0.0), draws.normal(size=n) * 1e-9,
         np.where(draws.random(n) < 0.9, np.nan, draws.lognormal(0, 3, n))], axis=1
    )  # fmt: skip
    found = find(features, method=method)
    words = serialize_clusters(found.model)[1]
    assert "NaN" not in json.dumps(words)
    assert "Infinity" not in json.dumps(words)
    assert np.isfinite(found.model.centroids).all()
    assert all(0 <= percentile <= 100 for cluster in found.model.clusters for percentile in cluster.radar.values())


def test_invalid_arguments_are_rejected_by_name() -> None:
    features, _ = make_customers(100)
    with pytest.raises(ValueError, match="method"):
        find_clusters(features=features, names=NAMES, method="dbscan")
    with pytest.raises(ValueError, match="k must be"):
        find_clusters(features=features, names=NAMES, k=1)
    with pytest.raises(ValueError, match="infinite"):
        find_clusters(features=np.full((50, 4), np.inf), names=NAMES)
