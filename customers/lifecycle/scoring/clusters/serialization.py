"""Serializes a cluster model as arrays and JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from customers.lifecycle.scoring.clusters.cluster_model import Cluster, ClusterModel
from customers.lifecycle.scoring.clusters.model_selection import ClusterCandidate
from customers.lifecycle.scoring.clusters.naming import FeatureDeviation
from customers.lifecycle.scoring.clusters.scaling import DroppedFeature, FeatureScaling

FORMAT = 2
ARRAYS_FILE, METADATA_FILE = "clusters.npz", "clusters.json"


def serialize_clusters(model: ClusterModel) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, Any]]:
    """Return the arrays by name, and the metadata as plain values for JSON."""
    scaling = model.scaling
    arrays = {
        "centroids": model.centroids,
        "unit": scaling.unit,
        "power": scaling.power,
        "mean": scaling.mean,
        "deviation": scaling.deviation,
    }
    metadata = {
        "format": FORMAT,
        "method": model.method,
        "seed": model.seed,
        "features": list(scaling.features),
        "dropped": [asdict(dropped) for dropped in scaling.dropped],
        "clusters": [asdict(cluster) for cluster in model.clusters],
        "candidates": [asdict(candidate) for candidate in model.candidates],
        "silhouette": model.silhouette,
        "stability": model.stability,
        "stable": model.stable,
        "next_id": model.next_id,
        "ended_ids": list(model.ended_ids),
    }
    return arrays, metadata


def deserialize_clusters(arrays: dict[str, npt.NDArray[np.float64]], metadata: dict[str, Any]) -> ClusterModel:
    """Rebuild the model of `serialize_clusters`. Errors: ValueError for another format."""
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"Stored clusters have format {metadata.get('format')}, this version reads {FORMAT}; cluster again"
        )
    scaling = FeatureScaling(
        features=tuple(metadata["features"]),
        unit=arrays["unit"],
        power=arrays["power"],
        mean=arrays["mean"],
        deviation=arrays["deviation"],
        dropped=tuple(DroppedFeature(**dropped) for dropped in metadata["dropped"]),
    )
    return ClusterModel(
        method=metadata["method"],
        seed=metadata["seed"],
        scaling=scaling,
        centroids=arrays["centroids"],
        clusters=tuple(_deserialize_cluster(cluster) for cluster in metadata["clusters"]),
        candidates=tuple(ClusterCandidate(**candidate) for candidate in metadata["candidates"]),
        silhouette=metadata["silhouette"],
        stability=metadata["stability"],
        stable=metadata["stable"],
        next_id=metadata["next_id"],
        ended_ids=tuple(metadata["ended_ids"]),
    )


def save_clusters(*, model: ClusterModel, folder: Path) -> None:
    """Write the model as two files into a folder, which is created if missing."""
    arrays, metadata = serialize_clusters(model)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / ARRAYS_FILE, allow_pickle=False, **arrays)
    (folder / METADATA_FILE).write_text(json.dumps(metadata, sort_keys=True), encoding="utf-8")


def load_clusters(*, folder: Path) -> ClusterModel:
    """Read the model that `save_clusters` wrote."""
    metadata = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    with np.load(folder / ARRAYS_FILE, allow_pickle=False) as arrays:
        return deserialize_clusters(dict(arrays), metadata)


def _deserialize_cluster(values: dict[str, Any]) -> Cluster:
    """Rebuild a cluster from plain values."""
    return Cluster(
        **values
        | {
            "name": tuple((direction, feature) for direction, feature in values["name"]),
            "deviations": tuple(FeatureDeviation(**deviation) for deviation in values["deviations"]),
        }
    )
