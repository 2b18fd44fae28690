"""Item-kNN, cosine, 50 neighbors: our fit against `implicit`'s on the same made-up purchases, each in a process of its own.

Both are timed from the same three arrays (person, product, weight) to the finished neighbors; ours also sorts out duplicates
and ids. `fit_only_*` starts from the finished sparse matrix instead. Compiling, which happens once an installation, is left out
by a tiny fit beforehand and reported as compile_s.
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
        ours, theirs = run_library("perennial", folder), run_library("implicit", folder)
        overlap, difference = compare_neighbors(Path(folder))
    line = {
        "seconds": ours["seconds"],
        "implicit_seconds": theirs["seconds"],
        "ratio": round(ours["seconds"] / theirs["seconds"], 3),
        "fit_only_seconds": ours["fit_only_seconds"],
        "implicit_fit_only_seconds": theirs["fit_only_seconds"],
        "fit_only_ratio": round(ours["fit_only_seconds"] / theirs["fit_only_seconds"], 3),
        "peak_mb": ours["peak_mb"],
        "implicit_peak_mb": theirs["peak_mb"],
        "data_mb": ours["data_mb"],
        "implicit_data_mb": theirs["data_mb"],
        "compile_s": ours["compile_s"],
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


def make_purchases(m: int, n_items: int, n_people: int, seed: int) -> dict[str, npt.NDArray]:
    """Zipf-like products (share of the product at place p ∝ 1 / (p + 20)) and users of log-normal activity."""
    draws = np.random.default_rng(seed)
    shares = 1.0 / (np.arange(n_items) + 20.0)
    activity = draws.lognormal(0.0, 1.0, n_people)
    return {
        "user": np.searchsorted(np.cumsum(activity / activity.sum()), draws.random(m))
        .clip(0, n_people - 1)
        .astype(np.int32),
        "item": np.searchsorted(np.cumsum(shares / shares.sum()), draws.random(m))
        .clip(0, n_items - 1)
        .astype(np.int32),
        "weight": draws.integers(1, 4, m).astype(np.float32),
        "shape": np.array([n_people, n_items]),
    }


def load_purchases(folder: Path) -> dict[str, npt.NDArray]:
    return {name: np.load(folder / f"{name}.npy") for name in ("user", "item", "weight", "shape")}


def run_library(name: str, folder: str) -> dict[str, float]:
    log(f"fitting {name}")
    command = [sys.executable, "-m", "benchmarks.neighbors", "--only", name, "--folder", folder]
    fresh = {**os.environ, "NUMBA_CACHE_DIR": folder}  # so that compile_s is the cost of a new installation
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=fresh)
    log(f"{name}: {done.stdout.strip()}")
    return json.loads(done.stdout)


def run_ours(data: dict[str, npt.NDArray], folder: Path) -> dict[str, float]:
    n_people, n_items = data["shape"].tolist()
    start = time.perf_counter()
    ItemKNN().fit(Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"]))
    compile_s = round(time.perf_counter() - start, 3)
    users, items = IdMap.of(np.arange(n_people)), IdMap.of(np.arange(n_items))
    loaded = get_peak_mb()

    def collect() -> Interactions:
        return Interactions.from_rows(
            user=data["user"], item=data["item"], weight=data["weight"], users=users, items=items
        )

    seconds, model = time_best_of_three(lambda: ItemKNN(k=K, with_self=True).fit(collect()))
    peak = get_peak_mb()
    save_npz(folder / "perennial.npz", csr_matrix(model.neighbors_))
    matrix = collect().user_items()
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


RUNS = {"perennial": run_ours, "implicit": run_implicit}


def compare_neighbors(folder: Path) -> tuple[float, float]:
    """Share of our neighbors that implicit has too, and the largest difference of the sorted similarities of an item."""
    ours, theirs = (sort_rows(load_npz(folder / f"{name}.npz")) for name in RUNS)
    common = (
        load_npz(folder / "perennial.npz").astype(bool).multiply(load_npz(folder / "implicit.npz").astype(bool)).nnz
    )
    return round(common / max(1, int((ours > 0).sum())), 5), float(np.abs(ours - theirs).max())


def sort_rows(matrix: csr_matrix) -> npt.NDArray[np.float64]:
    """Return the (items, K) similarities of each item, largest first, padded with 0."""
    matrix = csr_matrix(matrix)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, rows))
    filled = np.zeros((matrix.shape[0], K))
    filled[rows, np.arange(matrix.nnz) - matrix.indptr[rows]] = matrix.data[order]
    return filled


def time_best_of_three[Result](work: Callable[[], Result]) -> tuple[float, Result]:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return round(min(times), 3), result


def get_peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1_048_576 if sys.platform == "darwin" else 1024)


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
