"""The cluster model that is stored from run to run, and the assignment of customers to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clusters.kernels import find_nearest
from customers.lifecycle.scoring.clusters.model_selection import ClusterCandidate
from customers.lifecycle.scoring.clusters.naming import ClusterName, FeatureDeviation
from customers.lifecycle.scoring.clusters.scaling import FeatureScaling, scale_features


@dataclass(frozen=True)
class Cluster:
    """One cluster.

    id and name stay from run to run while the cluster is found again; an id is never reused.
    name: parts ("high", "monetary"), ("low", "recency_days"), ("typical", "") without distinctive features, ("number", "7") where names
    would be equal. share: of all customers. deviations: every feature, the farthest from the overall mean first.
    radar: for each feature the percentile, 0–100, of the cluster's median among all customers. medians: in the units of the features.
    shift: distance to the same cluster in the previous run, standard deviations per feature; None for a new one.
    """

    id: int
    name: ClusterName
    customers: int
    share: float
    deviations: tuple[FeatureDeviation, ...]
    radar: dict[str, float]
    medians: dict[str, float]
    shift: float | None = None


@dataclass(frozen=True, eq=False)
class ClusterModel:
    """The clusters and how they were found.

    centroids: (k, d) on the scale of `scaling`, in the order of `clusters`. candidates: the metrics of each tried k.
    stable: whether k was found again on halves of the customers (adjusted Rand index ≥ 0.75). next_id: for the next new cluster.
    ended_ids: of the previous run's clusters that no cluster continues.
    """

    method: str
    seed: int
    scaling: FeatureScaling
    centroids: Floats
    clusters: tuple[Cluster, ...]
    candidates: tuple[ClusterCandidate, ...]
    silhouette: float
    stability: float
    stable: bool
    next_id: int
    ended_ids: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class ClusterAssignment:
    """cluster: int64 (n,), cluster id.

    distance: float64 (n,), to its centroid, in standard deviations per feature.
    """

    cluster: Ints
    distance: Floats


def assign_clusters(
    *, model: ClusterModel, features: npt.NDArray[np.floating], names: Sequence[str]
) -> ClusterAssignment:
    """Assign each customer to the nearest cluster of a stored model.

    features: (n, columns), NaN is missing, columns found by name.
    Errors: ValueError for infinite values or when a feature of the model is missing.
    """
    nearest = find_nearest(scale_features(features=features, names=names, scaling=model.scaling), model.centroids)
    ids = np.array([cluster.id for cluster in model.clusters], np.int64)
    distance = np.sqrt(nearest.distance.astype(np.float64) / model.centroids.shape[1])
    return ClusterAssignment(ids[nearest.label], distance)
