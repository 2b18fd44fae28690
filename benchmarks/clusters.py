"""Clusters of simulated customers: time to find and assign them, against scikit-learn's KMeans on the same scaled features.

seconds is from raw features to named clusters with k selected (8 values tried, stability measured, profiles built). kmeans_seconds is one
k-means with the selected k and several starts, as scikit-learn does in sklearn_seconds: ratio compares these two. Each runs in its own
process, the best of --repeats after a small warm-up run that compiles.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.neighbours import get_peak_mb, log
from customers.lifecycle.scoring.clusters.cluster_model import assign_clusters
from customers.lifecycle.scoring.clusters.clustering import ClusteringResult, find_clusters
from customers.lifecycle.scoring.clusters.kmeans import run_lloyd
from customers.lifecycle.scoring.clusters.model_selection import SAMPLE_ROWS, STARTS, fit_kmeans, sample_rows
from customers.lifecycle.scoring.clusters.scaling import scale_features

TYPES = 6
NAMES = (
    "recency_days", "tenure_days", "orders", "monetary", "average_order", "units", "discount_share", "return_share",
    "categories", "sessions", "events", "gap_days",
)  # fmt: skip
LOG_SPREAD = 0.8


def main() -> None:
    arguments = parse_arguments()
    if arguments.only:
        print(json.dumps(RUNS[arguments.only](arguments.folder, arguments)))
        return
    # The data is made in its own process too: this one's memory would count in the peaks of its children.
    with tempfile.TemporaryDirectory() as folder:
        log(f"making {arguments.customers:,} customers")
        run("make", folder, arguments)
        own = run("perennial", folder, arguments)
        sklearn = run("sklearn", folder, arguments) if own["k"] else {}
    line = {
        **own,
        "sklearn_seconds": sklearn.get("seconds"),
        "ratio": round(own["kmeans_seconds"] / sklearn["seconds"], 3) if sklearn else None,
        "sklearn_peak_mb": sklearn.get("peak_mb"),
        "inertia_ratio": round(own["inertia"] / sklearn["inertia"], 5) if sklearn else None,
        "customers": arguments.customers,
        "features": len(NAMES),
        "method": arguments.method,
        "processors": os.cpu_count(),
        "notes": f"simulated customers of {TYPES} overlapping types, 5% of values missing; best of {arguments.repeats} after a warm-up; "
        f"peaks are of the whole process with its copy of the data (data_mb after loading); ours starts {STARTS} times on {SAMPLE_ROWS:,} "
        f"customers and goes on with all, scikit-learn's n_init={STARTS} starts with all; agreement: adjusted Rand index with the types"
        + ("" if own["k"] else "; no clusters: " + own["reason"]),
    }
    print(json.dumps(line))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--method", choices=("kmeans", "ward"), default="kmeans")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", choices=sorted(RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in ("customers", "repeats"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    return arguments


def make_customers(n: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Simulate log-normal features around six types, some features 0 for half of the customers; return them and the types."""
    draws = np.random.default_rng(seed)
    centres = draws.normal(0.0, 1.0, (TYPES, len(NAMES)))
    kinds = draws.choice(TYPES, n, p=np.arange(1, TYPES + 1) / np.arange(1, TYPES + 1).sum())
    features = np.exp(centres[kinds] + draws.normal(0.0, LOG_SPREAD, (n, len(NAMES))))
    for column in (NAMES.index("discount_share"), NAMES.index("return_share")):
        features[draws.random(n) < 0.5, column] = 0.0
    features[draws.random((n, len(NAMES))) < 0.05] = np.nan
    return features, kinds


def run(name: str, folder: str, arguments: argparse.Namespace) -> dict[str, Any]:
    log(f"running {name}")
    command = [sys.executable, "-m", "benchmarks.clusters", "--only", name, "--folder", folder]
    command += ["--customers", str(arguments.customers)]
    command += ["--seed", str(arguments.seed), "--repeats", str(arguments.repeats), "--method", arguments.method]
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    log(f"{name}: {process.stdout.strip()}")
    result: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return result


def run_make(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    features, kinds = make_customers(arguments.customers, arguments.seed)
    np.save(folder / "features.npy", features)
    np.save(folder / "kinds.npy", kinds)
    return {"customers": len(features)}


def run_perennial(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    start = time.perf_counter()
    find_clusters(features=make_customers(200, 0)[0], names=NAMES)
    compile_s = round(time.perf_counter() - start, 3)
    features, kinds = np.load(folder / "features.npy"), np.load(folder / "kinds.npy")
    loaded = get_peak_mb()
    seconds = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        result = find_clusters(features=features, names=NAMES, method=arguments.method, seed=arguments.seed)
        seconds.append(time.perf_counter() - start)
    peak = get_peak_mb()
    if not isinstance(result, ClusteringResult):
        return {"seconds": None, "assign_s": None, "peak_mb": peak, "k": None, "reason": result.reason}
    model = result.model
    start = time.perf_counter()
    assigned = assign_clusters(model=model, features=features, names=NAMES)
    assign_s = time.perf_counter() - start
    points = scale_features(features=features, names=NAMES, scaling=model.scaling)
    np.save(folder / "points.npy", points)
    np.save(folder / "k.npy", len(model.clusters))
    kmeans_seconds = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        sample = points[sample_rows(len(points), SAMPLE_ROWS, np.random.default_rng(arguments.seed))]
        _, nearest = run_lloyd(points, fit_kmeans(sample, [len(model.clusters)], arguments.seed)[0])
        kmeans_seconds.append(time.perf_counter() - start)
    next_result = find_clusters(
        features=change_features(features, arguments.seed), names=NAMES, method=arguments.method, seed=arguments.seed + 1,
        previous=model,
    )  # fmt: skip
    return {
        "seconds": round(min(seconds), 3),
        "kmeans_seconds": round(min(kmeans_seconds), 3),
        "assign_s": round(assign_s, 3),
        "customers_per_s": round(len(features) / min(seconds)),
        "compile_s": compile_s,
        "peak_mb": peak,
        "data_mb": loaded,
        "k": len(model.clusters),
        "silhouette": round(model.silhouette, 4),
        "stability": round(model.stability, 4),
        "agreement": round(compute_agreement(assigned.cluster, kinds), 4),
        "kept_names": round(compute_kept_names(result, next_result), 4)
        if isinstance(next_result, ClusteringResult)
        else None,
        "inertia": nearest.inertia,
    }


def change_features(features: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    """Simulate the next day: every value a twentieth up or down, and one customer in fifty replaced."""
    draws = np.random.default_rng(seed + 9)
    later = features * draws.lognormal(0.0, 0.05, features.shape)
    replaced = draws.choice(len(later), len(later) // 50, replace=False)
    later[replaced] = features[draws.integers(0, len(features), len(replaced))]
    return later


def compute_kept_names(first: ClusteringResult, second: ClusteringResult) -> float:
    names = [{cluster.id: str(cluster.name) for cluster in run.model.clusters} for run in (first, second)]
    pairs, counts = np.unique(np.stack([first.cluster, second.cluster]), axis=1, return_counts=True)
    is_kept = [names[0][a] == names[1][b] for a, b in pairs.T.tolist()]
    return float(counts[is_kept].sum() / counts.sum())


def compute_agreement(cluster: npt.NDArray[np.int64], kinds: npt.NDArray[np.int64]) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(kinds, cluster))


def run_sklearn(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    from sklearn.cluster import KMeans

    k = int(np.load(folder / "k.npy"))
    points = np.load(folder / "points.npy")
    KMeans(2, n_init=1, random_state=0).fit(points[:100])
    seconds = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        model = KMeans(k, n_init=STARTS, random_state=arguments.seed).fit(points)
        seconds.append(time.perf_counter() - start)
    return {"seconds": round(min(seconds), 3), "peak_mb": get_peak_mb(), "inertia": float(model.inertia_)}


RUNS = {"make": run_make, "perennial": run_perennial, "sklearn": run_sklearn}


if __name__ == "__main__":
    main()
