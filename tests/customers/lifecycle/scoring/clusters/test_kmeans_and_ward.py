"""Centroids computed by hand and compared with scikit-learn."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics import silhouette_score as sklearn_silhouette_score

from customers.lifecycle.scoring.clusters import kernels
from customers.lifecycle.scoring.clusters.kernels import find_nearest
from customers.lifecycle.scoring.clusters.kmeans import initialize_kmeans, run_kmeans, run_lloyd
from customers.lifecycle.scoring.clusters.model_selection import (
    ClusterCandidate,
    evaluate_candidates,
    fit_kmeans,
    fit_ward,
    list_candidate_ks,
    select_candidate,
)
from customers.lifecycle.scoring.clusters.silhouette import compute_distances, silhouette_score
from customers.lifecycle.scoring.clusters.ward import fit_ward_centroids


def make_scaled_blobs(
    n: int = 1_200, centers: int = 4, seed: int = 1, spread: float = 0.7
) -> tuple[np.ndarray, np.ndarray]:
    points, truth = make_blobs(n, n_features=5, centers=centers, cluster_std=spread, random_state=seed)
    return (points / points.std()).astype(np.float32), truth


SIX = np.array([[0, 0], [0, 2], [10, 0], [10, 2], [20, 0], [20, 2]], np.float32)


def test_six_points_make_three_pairs_by_either_method() -> None:
    expected = [[0, 1], [10, 1], [20, 1]]
    centroids, nearest = run_kmeans(SIX, 3, starts=5, seed=0)
    assert sorted(centroids.tolist()) == expected
    assert nearest.inertia == 6.0
    assert nearest.counts.tolist() == [2, 2, 2]
    assert sorted(fit_ward_centroids(SIX, [3])[0].tolist()) == expected


def test_one_tree_is_split_into_every_number_of_clusters() -> None:
    two, six = fit_ward_centroids(SIX, [2, 6])
    assert len(two) == 2
    assert sorted(six.tolist()) == sorted(SIX.tolist())


def test_of_equally_near_centroids_the_first_gets_the_point() -> None:
    nearest = find_nearest(np.array([[0.0]], np.float32), np.array([[1.0], [-1.0]]))
    assert nearest.label.tolist() == [0]
    assert nearest.distance.tolist() == [1.0]


def test_many_blocks_of_rows_give_the_same_result_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    points, _ = make_scaled_blobs(1_000)
    centroids = points[:11].astype(np.float64)
    whole = find_nearest(points, centroids)
    monkeypatch.setattr(kernels, "BLOCK_ROWS", 64)
    parts = find_nearest(points, centroids)
    assert (parts.label == whole.label).all()
    assert parts.counts.tolist() == whole.counts.tolist() == np.bincount(whole.label, minlength=11).tolist()
    assert parts.sums == pytest.approx(whole.sums)
    by_hand = ((points[:, None, :] - centroids[None]) ** 2).sum(axis=2)
    assert (whole.label == by_hand.argmin(axis=1)).all()
    assert whole.distance == pytest.approx(by_hand.min(axis=1), abs=1e-5)


def test_clusters_are_as_tight_as_those_of_scikit_learn() -> None:
    points, truth = make_scaled_blobs(centers=6, seed=5)
    theirs = KMeans(6, n_init=10, random_state=0).fit(points)
    _, ours = run_kmeans(points, 6, starts=10, seed=0)
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-3)
    assert adjusted_rand_score(theirs.labels_, ours.label) > 0.99
    assert adjusted_rand_score(truth, ours.label) > 0.95


def test_a_centroid_without_points_goes_to_the_point_farthest_from_its_own() -> None:
    points = np.array([[0], [1], [2], [50]], np.float32)
    centroids, nearest = run_lloyd(points, np.array([[1.0], [1000.0]]))
    assert sorted(centroids[:, 0].tolist()) == [1.0, 50.0]
    assert nearest.inertia == 2.0


def test_more_clusters_than_distinct_points_give_finite_centroids() -> None:
    points = np.array([[0.0], [0.0], [5.0]], np.float32)
    centroids, nearest = run_kmeans(points, 3, starts=2, seed=1)
    assert np.isfinite(centroids).all()
    assert nearest.inertia == 0.0


def test_initial_centroids_are_far_from_each_other() -> None:
    points = np.concatenate([np.zeros(500), np.full(500, 9.0)]).astype(np.float32)[:, None]
    for seed in range(20):
        centroids = initialize_kmeans(points, 2, np.random.default_rng(seed))
        assert sorted(centroids[:, 0].tolist()) == [0.0, 9.0]


def test_silhouettes_match_the_formula_of_rousseeuw() -> None:
    """Pair 0: a = 2, b = (10 + √104)/2 for both points, and likewise for the other pairs."""
    b = (10 + np.sqrt(104)) / 2
    assert silhouette_score(compute_distances(SIX), np.array([0, 0, 1, 1, 2, 2])) == pytest.approx(
        (b - 2) / b, abs=1e-5
    )


@pytest.mark.parametrize("k", [2, 5, 9])
def test_silhouettes_equal_those_of_scikit_learn(k: int) -> None:
    points, _ = make_scaled_blobs(400, spread=3.0)
    label = find_nearest(points, points[:k].astype(np.float64)).label
    assert silhouette_score(compute_distances(points), label) == pytest.approx(
        sklearn_silhouette_score(points, label), abs=1e-4
    )


def test_a_customer_alone_in_a_cluster_counts_0_and_one_cluster_is_the_worst() -> None:
    points = np.array([[0], [1], [9]], np.float32)
    expected = (8 / 9 + 7 / 8 + 0) / 3
    assert silhouette_score(compute_distances(points), np.array([0, 0, 1])) == pytest.approx(expected)
    assert silhouette_score(compute_distances(points), np.zeros(3, int)) == -1.0


@pytest.mark.parametrize("method", ["kmeans", "ward"])
@pytest.mark.parametrize("centers", [3, 5])
def test_the_number_of_blobs_is_found(method: str, centers: int) -> None:
    points, truth = make_scaled_blobs(1_500, centers=centers, seed=11, spread=0.5)
    candidates, centroids = evaluate_candidates(points, ks=range(3, 9), method=method, seed=4)
    best = select_candidate(candidates)
    assert best.k == centers
    assert best.stability > 0.95
    assert adjusted_rand_score(truth, find_nearest(points, centroids[best.k - 3]).label) > 0.95


def test_noise_is_not_stable() -> None:
    noise = np.random.default_rng(2).normal(size=(1_500, 6)).astype(np.float32)
    candidates, _ = evaluate_candidates(noise, ks=range(5, 8), method="kmeans", seed=0)
    assert all(candidate.stability < 0.75 for candidate in candidates)
    assert select_candidate(candidates) in candidates


def test_the_most_stable_k_is_selected_and_the_previous_one_stays_when_it_is_close() -> None:
    candidates = [
        ClusterCandidate(3, 0.40, 0.9),
        ClusterCandidate(4, 0.41, 0.8),
        ClusterCandidate(5, 0.60, 0.5),
        ClusterCandidate(6, 0.30, 0.99),
    ]
    assert select_candidate(candidates).k == 4
    assert select_candidate(candidates, previous_k=3).k == 3
    assert select_candidate(candidates, previous_k=6).k == 4
    assert select_candidate(candidates, previous_k=5).k == 4
    assert select_candidate(candidates, previous_k=9).k == 4
    shaky = [ClusterCandidate(3, 0.2, 0.7), ClusterCandidate(4, 0.5, 0.5), ClusterCandidate(5, -0.1, 0.6)]
    assert select_candidate(shaky).k == 4
    assert select_candidate(shaky, previous_k=3).k == 4
    near = [ClusterCandidate(3, 0.40, 0.70), ClusterCandidate(4, 0.39, 0.80), ClusterCandidate(5, 0.395, 0.60)]
    assert select_candidate(near).k == 4
    assert select_candidate(near, previous_k=3).k == 3
    assert select_candidate(near, previous_k=5).k == 4
    assert select_candidate([near[0], near[2]], previous_k=5).k == 5


def test_fewer_customers_allow_fewer_clusters() -> None:
    assert list(list_candidate_ks(1_000, 1_000)) == list(range(3, 11))
    assert list(list_candidate_ks(55, 55)) == [3, 4, 5]
    assert list(list_candidate_ks(1_000, 4)) == [3, 4]
    assert not list_candidate_ks(29, 29)


def test_the_same_seed_gives_the_same_centroids() -> None:
    points, _ = make_scaled_blobs(600)
    for fit in (fit_kmeans, fit_ward):
        first, second = fit(points, [4], 9), fit(points, [4], 9)
        assert (first[0] == second[0]).all()
