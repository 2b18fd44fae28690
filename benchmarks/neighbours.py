"""Item-kNN, cosine, 50 neighbors: our fit against `implicit`'s on the same simulated purchases, each in its own process.

Both are timed from the same three arrays (user, product, weight) to the finished neighbors; ours also merges duplicates and maps ids.
`fit_only_*` starts from the finished sparse matrix instead. The kernels are compiled once per installation: a tiny fit compiles them
before the measurement, and its time is reported as compile_s.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix, load_npz, save_npz

from recommendations.engine import IdMap, Interactions
from recommendations.engine.algorithms.neighbors.item_knn import ItemKNN

K = 50


def main() -> None:
    arguments = parse_arguments()
    if arguments.only:
        print(json.dumps(RUNS[arguments.only](load_purchases(arguments.folder), arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        log(f"generating {arguments.interactions:,} purchases of {arguments.items:,} products")
        purchases = make_purchases(arguments.interactions, arguments.items, arguments.people, arguments.seed)
        for name, column in purchases.items():
            np.save(Path(folder) / f"{name}.npy", column)
        own, implicit = run_library("perennial", folder), run_library("implicit", folder)
        overlap, difference = compare_neighbors(Path(folder))
    line = {
        "seconds": own["seconds"],
        "implicit_seconds": implicit["seconds"],
        "ratio": round(own["seconds"] / implicit["seconds"], 3),
        "fit_only_seconds": own["fit_only_seconds"],
        "implicit_fit_only_seconds": implicit["fit_only_seconds"],
        "fit_only_ratio": round(own["fit_only_seconds"] / implicit["fit_only_seconds"], 3),
        "peak_mb": own["peak_mb"],
        "implicit_peak_mb": implicit["peak_mb"],
        "data_mb": own["data_mb"],
        "implicit_data_mb": implicit["data_mb"],
        "compile_s": own["compile_s"],
        "interactions": arguments.interactions,
        "items": arguments.items,
        "people": arguments.people,
        "k": K,
        "overlap": overlap,
        "largest_similarity_difference": difference,
        "processors": os.cpu_count(),
        "notes": "best of 3 after a warm-up fit; peaks are of the whole process including its copy of the data (data_mb after loading);"
        " each item is one of its own 50 neighbors in both; overlap is below 1 where ties at the 50th rank are resolved differently",
    }
    print(json.dumps(line))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=5_000_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in ("interactions", "items", "people"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    return arguments


def make_purchases(m: int, n_items: int, n_users: int, seed: int) -> dict[str, npt.NDArray]:
    """Simulate products with Zipf-like popularity (∝ 1 / (rank + 20)) and users with log-normal activity."""
    draws = np.random.default_rng(seed)
    shares = 1.0 / (np.arange(n_items) + 20.0)
    activity = draws.lognormal(0.0, 1.0, n_users)
    return {
        "user": np.searchsorted(np.cumsum(activity / activity.sum()), draws.random(m))
        .clip(0, n_users - 1)
        .astype(np.int32),
        "item": np.searchsorted(np.cumsum(shares / shares.sum()), draws.random(m))
        .clip(0, n_items - 1)
        .astype(np.int32),
        "weight": draws.integers(1, 4, m).astype(np.float32),
        "shape": np.array([n_users, n_items]),
    }


def load_purchases(folder: Path) -> dict[str, npt.NDArray]:
    return {name: np.load(folder / f"{name}.npy") for name in ("user", "item", "weight", "shape")}


def run_library(name: str, folder: str) -> dict[str, float]:
    log(f"fitting {name}")
    command = [sys.executable, "-m", "benchmarks.neighbours", "--only", name, "--folder", folder]
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder}  # so that compile_s is the cost of a new installation
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    log(f"{name}: {process.stdout.strip()}")
    return json.loads(process.stdout)


def run_perennial(data: dict[str, npt.NDArray], folder: Path) -> dict[str, float]:
    n_users, n_items = data["shape"].tolist()
    start = time.perf_counter()
    ItemKNN().fit(Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"]))
    compile_s = round(time.perf_counter() - start, 3)
    users, items = IdMap.of(np.arange(n_users)), IdMap.of(np.arange(n_items))
    loaded = get_peak_mb()

    def collect() -> Interactions:
        return Interactions.from_rows(
            user=data["user"], item=data["item"], weight=data["weight"], users=users, items=items
        )

    seconds, model = time_best_of_three(lambda: ItemKNN(k=K, with_self=True).fit(collect()))
    peak = get_peak_mb()
    save_npz(folder / "perennial.npz", csr_matrix(model.neighbors_))
    matrix = collect().build_user_items()
    fit_only, _ = time_best_of_three(lambda: ItemKNN(k=K, with_self=True).fit_matrix(matrix))
    return {
        "seconds": seconds,
        "fit_only_seconds": fit_only,
        "compile_s": compile_s,
        "data_mb": loaded,
        "peak_mb": peak,
    }


def run_implicit(data: dict[str, npt.NDArray], folder: Path) -> dict[str, float]:
    shape = tuple(data["shape"].tolist())

    def collect() -> csr_matrix:
        return csr_matrix((data["weight"], (data["user"], data["item"])), shape=shape)

    def fit(matrix: csr_matrix) -> CosineRecommender:
        model = CosineRecommender(K=K)
        with warnings.catch_warnings():  # implicit warns about its own conversion from COO
            warnings.simplefilter("ignore")
            model.fit(matrix, show_progress=False)
        return model

    fit(csr_matrix(np.eye(3, dtype=np.float32)))
    loaded = get_peak_mb()
    seconds, model = time_best_of_three(lambda: fit(collect()))
    peak = get_peak_mb()
    save_npz(folder / "implicit.npz", model.similarity)
    matrix = collect()
    fit_only, _ = time_best_of_three(lambda: fit(matrix))
    return {"seconds": seconds, "fit_only_seconds": fit_only, "data_mb": loaded, "peak_mb": peak}


RUNS = {"perennial": run_perennial, "implicit": run_implicit}


def compare_neighbors(folder: Path) -> tuple[float, float]:
    """Return the share of our neighbors that implicit has too, and the largest difference of the sorted similarities of an item."""
    own, implicit = (sort_rows(load_npz(folder / f"{name}.npz")) for name in RUNS)
    common = (
        load_npz(folder / "perennial.npz").astype(bool).multiply(load_npz(folder / "implicit.npz").astype(bool)).nnz
    )
    return round(common / max(1, int((own > 0).sum())), 5), float(np.abs(own - implicit).max())


def sort_rows(matrix: csr_matrix) -> npt.NDArray[np.float64]:
    """Return the (items, K) similarities of each item, largest first, padded with 0."""
    matrix = csr_matrix(matrix)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, rows))
    filled = np.zeros((matrix.shape[0], K))
    filled[rows, np.arange(matrix.nnz) - matrix.indptr[rows]] = matrix.data[order]
    return filled


def time_best_of_three[Result](work: Callable[[], Result]) -> tuple[float, Result]:
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        durations.append(time.perf_counter() - start)
    return round(min(durations), 3), result


def get_peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1_048_576 if sys.platform == "darwin" else 1024)


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
