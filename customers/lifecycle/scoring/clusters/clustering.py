"""Finds named clusters in customer features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clusters.cluster_model import Cluster, ClusterModel
from customers.lifecycle.scoring.clusters.kernels import NearestCentroids, Points, find_nearest
from customers.lifecycle.scoring.clusters.kmeans import MAX_STEPS, run_lloyd
from customers.lifecycle.scoring.clusters.matching import MAX_MATCH_DISTANCE, compute_centroid_distances, match_clusters
from customers.lifecycle.scoring.clusters.model_selection import (
    METHODS,
    MIN_STABILITY,
    SAMPLE_ROWS,
    ClusterCandidate,
    evaluate_candidates,
    list_candidate_ks,
    sample_rows,
    select_candidate,
)
from customers.lifecycle.scoring.clusters.naming import build_unique_names, is_name_accurate, rank_deviations
from customers.lifecycle.scoring.clusters.radar_profiles import build_radar_profiles
from customers.lifecycle.scoring.clusters.scaling import (
    FIT_ROWS,
    DroppedFeature,
    FeatureScaling,
    check_features,
    fit_scaling,
    scale_features,
    unscale_points,
)

REASONS: tuple[str, ...] = ("too_few_customers", "no_feature_varies", "too_few_different")
MAX_MANUAL_K = 50
INERTIA_TOLERANCE = (
    1.01  # the previous centroids are the start if their inertia is at most this multiple of that of the new ones
)


@dataclass(frozen=True, eq=False)
class ClusteringResult:
    """model, and cluster: int64 (n,), the cluster id of each customer."""

    model: ClusterModel
    cluster: Ints


@dataclass(frozen=True)
class ClusteringUnavailable:
    """No clusters.

    reason: one of REASONS (fewer than 30 customers; no feature varies; fewer than 3 distinct customers).
    """

    reason: str
    dropped: tuple[DroppedFeature, ...] = ()


def find_clusters(
    *,
    features: npt.NDArray[np.floating],
    names: Sequence[str],
    method: str = "kmeans",
    seed: int = 0,
    k: int | None = None,
    previous: ClusterModel | None = None,
    max_distance: float = MAX_MATCH_DISTANCE,
) -> ClusteringResult | ClusteringUnavailable:
    """Find the clusters of n customers.

    features: (n, d) in their own units, NaN is missing; names: of the d features, with the unit ("recency_days").

    k within 3…10 is selected by silhouette among the stable ones unless given. "kmeans": several starts on a sample, the best
    continued on all customers; "ward": a tree of a sample, the other customers assigned to the nearest centroid. With the `previous`
    model, clusters keep their ids and, while still accurate, their names; they start from their previous centroids as long as
    the resulting clusters are about as tight. The same arguments give the same result.
    Errors: ValueError for an unknown method, k outside 2…50, infinite values, repeated names.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    check_features(features, names)
    n = len(features)
    if k is not None and not 2 <= k <= MAX_MANUAL_K:
        raise ValueError(f"k must be 2…{MAX_MANUAL_K}, got {k}")
    ks = list_candidate_ks(n, n) if k is None else range(k, k + 1)
    if not ks or n < ks[0]:
        return ClusteringUnavailable("too_few_customers")
    draws = np.random.default_rng((seed, 0))
    scaling = fit_scaling(features=features, names=names, rows=sample_rows(n, FIT_ROWS, draws))
    if not scaling.features:
        return ClusteringUnavailable("no_feature_varies", scaling.dropped)
    points = scale_features(features=features, names=names, scaling=scaling)
    sample = points[sample_rows(n, SAMPLE_ROWS, draws)]
    n_different = len(np.unique(sample, axis=0))
    ks = list_candidate_ks(n, n_different) if k is None else ks
    if not ks or n_different < ks[0]:
        return ClusteringUnavailable("too_few_different", scaling.dropped)
    candidates, fits = evaluate_candidates(points, ks=ks, method=method, seed=seed)
    best = select_candidate(candidates, previous_k=len(previous.clusters) if previous else None)
    centroids = fits[candidates.index(best)]
    centroids = _warm_start(sample, centroids, scaling, previous, max_steps=MAX_STEPS if method == "kmeans" else 1)
    centroids, nearest = (
        run_lloyd(points, centroids) if method == "kmeans" else (centroids, find_nearest(points, centroids))
    )
    return _build_result(
        features, names, scaling, centroids, nearest, candidates, best,
        method=method, seed=seed, previous=previous, max_distance=max_distance,
    )  # fmt: skip


def _warm_start(
    sample: Points, centroids: Floats, scaling: FeatureScaling, previous: ClusterModel | None, *, max_steps: int
) -> Floats:
    """Return the previous centroids moved to their customers' current features.

    Return `centroids` instead if the previous ones differ in number or features, or are less tight.
    Ward's tree changes completely with a few customers, so its clusters are moved by one step only.
    """
    if (
        previous is None
        or len(previous.centroids) != len(centroids)
        or set(previous.scaling.features) != set(scaling.features)
    ):
        return centroids
    raw_centroids = unscale_points(points=previous.centroids, scaling=previous.scaling)
    previous_centroids = scale_features(
        features=raw_centroids, names=previous.scaling.features, scaling=scaling
    ).astype(np.float64)
    moved, nearest = run_lloyd(sample, previous_centroids, max_steps=max_steps)
    return moved if nearest.inertia <= INERTIA_TOLERANCE * find_nearest(sample, centroids).inertia else centroids


def _build_result(
    features: npt.NDArray[np.floating],
    names: Sequence[str],
    scaling: FeatureScaling,
    centroids: Floats,
    nearest: NearestCentroids,
    candidates: Sequence[ClusterCandidate],
    best: ClusterCandidate,
    *,
    method: str,
    seed: int,
    previous: ClusterModel | None,
    max_distance: float,
) -> ClusteringResult:
    """Build the model, largest cluster first.

    Clusters without customers are left out (with Ward, a centroid may be nearest to no customer).
    """
    order = np.argsort(-nearest.counts, kind="stable")
    order = order[nearest.counts[order] > 0]
    centroids, counts, sums = centroids[order], nearest.counts[order], nearest.sums[order]
    label_of = np.full(len(nearest.counts), -1, np.int64)
    label_of[order] = np.arange(len(order))
    label = label_of[nearest.label]
    deviations = rank_deviations(
        means=sums / counts[:, None], overall_mean=sums.sum(axis=0) / counts.sum(), features=scaling.features
    )
    ids, shifts, next_id, ended_ids = _match_previous(centroids, scaling, previous, max_distance)
    former_names = {cluster.id: cluster.name for cluster in previous.clusters} if previous else {}
    retained_names = [
        former_names[own] if own in former_names and is_name_accurate(name=former_names[own], deviations=row) else None
        for own, row in zip(ids, deviations, strict=True)
    ]
    cluster_names = build_unique_names(deviations=deviations, retained_names=retained_names, numbers=ids)
    radar, medians = build_radar_profiles(
        features=features, names=names, label=label, centroids=centroids, scaling=scaling, seed=seed
    )
    clusters = tuple(
        Cluster(
            id=ids[i],
            name=cluster_names[i],
            customers=int(counts[i]),
            share=float(counts[i] / counts.sum()),
            deviations=deviations[i],
            radar=radar[i],
            medians=medians[i],
            shift=shifts[i],
        )
        for i in range(len(ids))
    )
    model = ClusterModel(
        method=method,
        seed=seed,
        scaling=scaling,
        centroids=centroids,
        clusters=clusters,
        candidates=tuple(candidates),
        silhouette=best.silhouette,
        stability=best.stability,
        stable=best.stability >= MIN_STABILITY,
        next_id=next_id,
        ended_ids=ended_ids,
    )
    return ClusteringResult(model, np.array(ids, np.int64)[label])


def _match_previous(
    centroids: Floats, scaling: FeatureScaling, previous: ClusterModel | None, max_distance: float
) -> tuple[list[int], list[float | None], int, tuple[int, ...]]:
    """Return the ids, their shifts, the next new id, and the ids that ended."""
    if previous is None:
        return list(range(1, len(centroids) + 1)), [None] * len(centroids), len(centroids) + 1, ()
    distances = compute_centroid_distances(
        new=centroids, new_scaling=scaling, previous=previous.centroids, previous_scaling=previous.scaling
    )
    next_id = previous.next_id
    ids: list[int] = []
    shifts: list[float | None] = []
    for row, column in enumerate(match_clusters(distances, max_distance=max_distance)):
        if column < 0:
            ids.append(next_id)
            shifts.append(None)
            next_id += 1
        else:
            ids.append(previous.clusters[column].id)
            shifts.append(float(distances[row, column]))
    ended_ids = tuple(cluster.id for cluster in previous.clusters if cluster.id not in ids)
    return ids, shifts, next_id, ended_ids
