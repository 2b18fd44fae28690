"""A model as arrays and JSON, and back."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from customers.lifecycle.scoring.clusters.cluster_model import Cluster, ClusterModel
from customers.lifecycle.scoring.clusters.model_selection import Candidate
from customers.lifecycle.scoring.clusters.naming import Deviation
from customers.lifecycle.scoring.clusters.scaling import Dropped, Scaling

FORMAT = 1
ARRAYS, WORDS = "clusters.npz", "clusters.json"


def packed(model: ClusterModel) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, Any]]:
    """Arrays by name, and what JSON can hold."""
    scaling = model.scaling
    arrays = {
        "centroids": model.centroids,
        "unit": scaling.unit,
        "power": scaling.power,
        "mean": scaling.mean,
        "deviation": scaling.deviation,
    }
    words = {
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
        "gone": list(model.gone),
    }
    return arrays, words


def unpacked(arrays: dict[str, npt.NDArray[np.float64]], words: dict[str, Any]) -> ClusterModel:
    """What `packed` took apart. Errors: ValueError for another format."""
    if words.get("format") != FORMAT:
        raise ValueError(f"clusters are of format {words.get('format')}, this version reads {FORMAT}; find them again")
    scaling = Scaling(
        features=tuple(words["features"]),
        unit=arrays["unit"],
        power=arrays["power"],
        mean=arrays["mean"],
        deviation=arrays["deviation"],
        dropped=tuple(Dropped(**dropped) for dropped in words["dropped"]),
    )
    return ClusterModel(
        method=words["method"],
        seed=words["seed"],
        scaling=scaling,
        centroids=arrays["centroids"],
        clusters=tuple(_cluster(cluster) for cluster in words["clusters"]),
        candidates=tuple(Candidate(**candidate) for candidate in words["candidates"]),
        silhouette=words["silhouette"],
        stability=words["stability"],
        stable=words["stable"],
        next_id=words["next_id"],
        gone=tuple(words["gone"]),
    )


def save_clusters(*, model: ClusterModel, folder: Path) -> None:
    """Two files in the folder, which is made where it is missing."""
    arrays, words = packed(model)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
    (folder / WORDS).write_text(json.dumps(words, sort_keys=True), encoding="utf-8")


def load_clusters(*, folder: Path) -> ClusterModel:
    words = json.loads((folder / WORDS).read_text(encoding="utf-8"))
    with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
        return unpacked(dict(arrays), words)


def _cluster(words: dict[str, Any]) -> Cluster:
    return Cluster(
        **words
        | {
            "name": tuple((direction, feature) for direction, feature in words["name"]),
            "standing_out": tuple(Deviation(**deviation) for deviation in words["standing_out"]),
        }
    )
