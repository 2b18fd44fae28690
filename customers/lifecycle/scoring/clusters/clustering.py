"""From features to named clusters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clusters.cluster_model import Cluster, ClusterModel
from customers.lifecycle.scoring.clusters.kernels import Nearest, Points, nearest
from customers.lifecycle.scoring.clusters.kmeans import MOST_STEPS, lloyd
from customers.lifecycle.scoring.clusters.matching import LARGEST_DISTANCE, distances_between, matched
from customers.lifecycle.scoring.clusters.model_selection import (
    METHODS,
    SAMPLE_ROWS,
    STABLE,
    Candidate,
    chosen,
    judge,
    ks_for,
    sample_rows,
)
from customers.lifecycle.scoring.clusters.naming import deviations_of, still_true, unique_names
from customers.lifecycle.scoring.clusters.radar_profiles import profile
from customers.lifecycle.scoring.clusters.scaling import (
    FIT_ROWS,
    Dropped,
    Scaling,
    fit_scaling,
    raw_values,
    require_features,
    scaled,
)

REASONS: tuple[str, ...] = ("too_few_customers", "no_feature_varies", "too_few_different")
MOST_BY_HAND = 50
AS_GOOD = 1.01  # of inertia: the former centroids stay, or are the start, if what they lead to is no worse than this


@dataclass(frozen=True, eq=False)
class Clustered:
    """model, and cluster: int64 (n,), the id of everyone's cluster."""

    model: ClusterModel
    cluster: Ints


@dataclass(frozen=True)
class NoClusters:
    """Clusters cannot be had. reason: one of REASONS (fewer than 30 customers; no feature that varies; fewer than 3 different ones)."""

    reason: str
    dropped: tuple[Dropped, ...] = ()


def find_clusters(
    *,
    features: npt.NDArray[np.floating],
    names: Sequence[str],
    method: str = "kmeans",
    seed: int = 0,
    k: int | None = None,
    previous: ClusterModel | None = None,
    largest_distance: float = LARGEST_DISTANCE,
) -> Clustered | NoClusters:
    """Clusters of n customers. features: (n, d) in their own units, NaN is missing; names: d of them, the units' too ("recency_days").

    k within 3…10 is chosen by silhouette among the stable ones unless given. "kmeans": several starts on a sample, the best carried on
    with everybody; "ward": a tree of a sample, everybody else at the nearest centroid. With the `previous` model its clusters keep
    their ids and, while what they say is true, their names; they go on from where they were as long as that is as tight. The same
    arguments give the same answer. Errors: ValueError for an unknown method, k outside 2…50, infinite values, repeated names.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    require_features(features, names)
    n = len(features)
    if k is not None and not 2 <= k <= MOST_BY_HAND:
        raise ValueError(f"k must be 2…{MOST_BY_HAND}, got {k}")
    ks = ks_for(n, n) if k is None else range(k, k + 1)
    if not ks or n < ks[0]:
        return NoClusters("too_few_customers")
    draws = np.random.default_rng((seed, 0))
    scaling = fit_scaling(features=features, names=names, rows=sample_rows(n, FIT_ROWS, draws))
    if not scaling.features:
        return NoClusters("no_feature_varies", scaling.dropped)
    points = scaled(features=features, names=names, scaling=scaling)
    sample = points[sample_rows(n, SAMPLE_ROWS, draws)]
    n_different = len(np.unique(sample, axis=0))
    ks = ks_for(n, n_different) if k is None else ks
    if not ks or n_different < ks[0]:
        return NoClusters("too_few_different", scaling.dropped)
    candidates, fits = judge(points, ks=ks, method=method, seed=seed)
    best = chosen(candidates, former_k=len(previous.clusters) if previous else None)
    centroids = fits[candidates.index(best)]
    centroids = _warm(sample, centroids, scaling, previous, most_steps=MOST_STEPS if method == "kmeans" else 1)
    centroids, found = lloyd(points, centroids) if method == "kmeans" else (centroids, nearest(points, centroids))
    return _named(
        features, names, scaling, centroids, found, candidates, best,
        method=method, seed=seed, previous=previous, largest_distance=largest_distance,
    )  # fmt: skip


def _warm(
    sample: Points, centroids: Floats, scaling: Scaling, previous: ClusterModel | None, *, most_steps: int
) -> Floats:
    """The former centroids, moved to where their customers are now, where they are as many, of the same features, and as tight.

    Ward's tree is another one after a few customers have changed, so its clusters are taken over in one step as long as they do."""
    if (
        previous is None
        or len(previous.centroids) != len(centroids)
        or set(previous.scaling.features) != set(scaling.features)
    ):
        return centroids
    raw = raw_values(points=previous.centroids, scaling=previous.scaling)
    former = scaled(features=raw, names=previous.scaling.features, scaling=scaling).astype(np.float64)
    warm, found = lloyd(sample, former, most_steps=most_steps)
    return warm if found.inertia <= AS_GOOD * nearest(sample, centroids).inertia else centroids


def _named(
    features: npt.NDArray[np.floating],
    names: Sequence[str],
    scaling: Scaling,
    centroids: Floats,
    found: Nearest,
    candidates: Sequence[Candidate],
    best: Candidate,
    *,
    method: str,
    seed: int,
    previous: ClusterModel | None,
    largest_distance: float,
) -> Clustered:
    """Largest cluster first; clusters without anybody (Ward's, of points that only the sample's own were near to) left out."""
    order = np.argsort(-found.counts, kind="stable")
    order = order[found.counts[order] > 0]
    centroids, counts, sums = centroids[order], found.counts[order], found.sums[order]
    place = np.full(len(found.counts), -1, np.int64)
    place[order] = np.arange(len(order))
    label = place[found.label]
    standing_out = deviations_of(
        means=sums / counts[:, None], mean_of_all=sums.sum(axis=0) / counts.sum(), features=scaling.features
    )
    ids, moved, next_id, gone = _continued(centroids, scaling, previous, largest_distance)
    former_names = {cluster.id: cluster.name for cluster in previous.clusters} if previous else {}
    taken = [
        former_names[own] if own in former_names and still_true(name=former_names[own], standing_out=row) else None
        for own, row in zip(ids, standing_out, strict=True)
    ]
    titles = unique_names(standing_out=standing_out, taken=taken, numbers=ids)
    radar, medians = profile(
        features=features, names=names, label=label, centroids=centroids, scaling=scaling, seed=seed
    )
    clusters = tuple(
        Cluster(
            id=ids[i],
            name=titles[i],
            customers=int(counts[i]),
            share=float(counts[i] / counts.sum()),
            standing_out=standing_out[i],
            radar=radar[i],
            medians=medians[i],
            moved=moved[i],
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
        stable=best.stability >= STABLE,
        next_id=next_id,
        gone=gone,
    )
    return Clustered(model, np.array(ids, np.int64)[label])


def _continued(
    centroids: Floats, scaling: Scaling, previous: ClusterModel | None, largest: float
) -> tuple[list[int], list[float | None], int, tuple[int, ...]]:
    """ids, how far each moved, the next new id, and the former ids that ended."""
    if previous is None:
        return list(range(1, len(centroids) + 1)), [None] * len(centroids), len(centroids) + 1, ()
    apart = distances_between(
        new=centroids, new_scaling=scaling, former=previous.centroids, former_scaling=previous.scaling
    )
    next_id = previous.next_id
    ids: list[int] = []
    moved: list[float | None] = []
    for row, column in enumerate(matched(apart, largest=largest)):
        if column < 0:
            ids.append(next_id)
            moved.append(None)
            next_id += 1
        else:
            ids.append(previous.clusters[column].id)
            moved.append(float(apart[row, column]))
    gone = tuple(cluster.id for cluster in previous.clusters if cluster.id not in ids)
    return ids, moved, next_id, gone
