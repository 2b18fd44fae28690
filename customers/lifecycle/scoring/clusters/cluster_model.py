"""Clusters as they are kept from run to run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.scoring.clusters.kernels import nearest
from customers.lifecycle.scoring.clusters.model_selection import Candidate
from customers.lifecycle.scoring.clusters.naming import Deviation, Name
from customers.lifecycle.scoring.clusters.scaling import Scaling, scaled


@dataclass(frozen=True)
class Cluster:
    """One cluster. id and name stay from run to run while it is found again; an id is never given twice.

    name: parts ("high", "monetary"), ("low", "recency_days"), ("typical", "") where nothing stands out, ("number", "7") where names
    would be the same. share: of all customers. standing_out: every feature, the farthest from the mean of all first.
    radar: for each feature the percentile, 0–100, of the cluster's median among all customers. medians: in the units of the features.
    moved: distance to the same cluster in the former run, standard deviations a feature; None for a new one.
    """

    id: int
    name: Name
    customers: int
    share: float
    standing_out: tuple[Deviation, ...]
    radar: dict[str, float]
    medians: dict[str, float]
    moved: float | None = None


@dataclass(frozen=True, eq=False)
class ClusterModel:
    """centroids: (k, d) on the scale of `scaling`, in the order of `clusters`. candidates: what each tried k would have been.

    stable: whether k was found again on halves of the customers (adjusted Rand index ≥ 0.75). next_id: for the next new cluster.
    gone: ids of the former run's clusters that no cluster continues.
    """

    method: str
    seed: int
    scaling: Scaling
    centroids: Floats
    clusters: tuple[Cluster, ...]
    candidates: tuple[Candidate, ...]
    silhouette: float
    stability: float
    stable: bool
    next_id: int
    gone: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Assigned:
    """cluster: int64 (n,), its id; distance: float64 (n,), to its centroid, in standard deviations a feature."""

    cluster: Ints
    distance: Floats


def assign_clusters(*, model: ClusterModel, features: npt.NDArray[np.floating], names: Sequence[str]) -> Assigned:
    """Everyone's nearest cluster by the stored model; features: (n, columns), NaN is missing, columns found by name.

    Errors: ValueError for infinite values or when a feature of the model is missing.
    """
    found = nearest(scaled(features=features, names=names, scaling=model.scaling), model.centroids)
    ids = np.array([cluster.id for cluster in model.clusters], np.int64)
    apart = np.sqrt(found.distance.astype(np.float64) / model.centroids.shape[1])
    return Assigned(ids[found.label], apart)
