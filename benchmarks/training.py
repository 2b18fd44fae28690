"""Time and memory of fitting, ours and `implicit`'s on the same simulated purchases, each in its own process.

The time is from the same arrays (user, product, time, weight) to the finished model, the best of --repeats fits after a tiny one that
compiles the kernels. Half of the interactions are measured too, for the growth per doubling; the number of users grows with the
interactions, that of products does not. LensKit is measured too if --lenskit-python is an interpreter whose environment has it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.neighbours import get_peak_mb, log, make_purchases
from recommendations.engine import ALGORITHMS, IdMap, Interactions

K, FACTORS, SWEEPS = 50, 64, 5
PERENNIAL_ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    "item_knn": ("item-knn", {"k": K}),
    "item_knn_bm25": ("item-knn", {"k": K, "weighting": "bm25"}),
    "ials": ("ials", {"factors": FACTORS, "iterations": SWEEPS}),
    "transitions": ("transitions", {}),
    "graph_filter": ("graph-filter", {}),
    "rp3beta": ("rp3beta", {}),
    "clusters": ("clusters", {}),
}
IMPLICIT_ALGORITHMS: dict[str, Callable[[], Any]] = {
    "implicit_cosine": lambda: CosineRecommender(K=K),
    "implicit_bm25": lambda: BM25Recommender(K=K),
    "implicit_als": lambda: AlternatingLeastSquares(factors=FACTORS, iterations=SWEEPS, random_state=0),
}
RATIOS = {"item_knn": "implicit_cosine", "item_knn_bm25": "implicit_bm25", "ials": "implicit_als"}


def main() -> None:
    arguments = parse()
    if arguments.only:
        print(json.dumps(measure_fit(arguments.only, arguments.folder, arguments.repeats)))
        return
    full, half = measure(arguments.interactions, arguments), measure(arguments.interactions // 2, arguments)
    line: dict[str, Any] = {"seconds": full["item_knn"]["seconds"], "peak_mb": full["item_knn"]["peak_mb"]}
    line["ratio"] = compute_ratio(full, "item_knn", "implicit_cosine")
    for name, figures in full.items():
        line |= {f"{name}_{key}": value for key, value in figures.items()}
        line[f"{name}_growth"] = (
            None if not figures["seconds"] else round(figures["seconds"] / half[name]["seconds"], 2)
        )
        if name in RATIOS:
            line[f"{name}_ratio"] = compute_ratio(full, name, RATIOS[name])
    line |= {
        "interactions": arguments.interactions,
        "items": arguments.items,
        "people": count_users(arguments.interactions),
        "processors": os.cpu_count(),
        "notes": f"best of {arguments.repeats} after a warm-up; k={K}, {FACTORS} factors, {SWEEPS} sweeps; peaks are of the whole "
        "process with its copy of the data (data_mb after loading); cpu_s is of all its threads; growth is against half the interactions; "
        + "; ".join(describe_missing(arguments)),
    }
    print(json.dumps(line))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=5_000_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lenskit-python", type=Path)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in ("interactions", "items", "repeats"):
        if getattr(arguments, name) < (2 if name == "interactions" else 1):
            parser.error(f"--{name} is too small: {getattr(arguments, name)}")
    return arguments


def count_users(interactions: int) -> int:
    return max(2, interactions // 25)


def describe_missing(arguments: argparse.Namespace) -> list[str]:
    missing = [
        f"{name}: no such algorithm"
        for name, (algorithm, _) in PERENNIAL_ALGORITHMS.items()
        if algorithm not in ALGORITHMS
    ]
    if arguments.lenskit_python is None:
        missing.append("lenskit: no --lenskit-python given")
    return missing or ["everything measured"]


def compute_ratio(results: dict[str, dict[str, Any]], first: str, second: str) -> float | None:
    if not (results[first]["seconds"] and results[second]["seconds"]):
        return None
    return round(results[first]["seconds"] / results[second]["seconds"], 3)


def measure(interactions: int, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    log(f"making {interactions:,} purchases of {arguments.items:,} products by {count_users(interactions):,} people")
    with tempfile.TemporaryDirectory() as folder:
        purchases = make_purchases(interactions, arguments.items, count_users(interactions), arguments.seed)
        purchases["order"] = np.random.default_rng(arguments.seed + 1).random(interactions) * 365 * 86_400
        for name, column in purchases.items():
            np.save(Path(folder) / f"{name}.npy", column)
        results = {}
        for name in (*PERENNIAL_ALGORITHMS, *IMPLICIT_ALGORITHMS, "lenskit_item_knn"):
            results[name] = run(name, folder, arguments)
            log(f"{name}: {json.dumps(results[name])}")
    return results


def run(name: str, folder: str, arguments: argparse.Namespace) -> dict[str, Any]:
    if name == "lenskit_item_knn":
        script = Path(__file__).with_name("lenskit_item_knn.py")
        command = [str(arguments.lenskit_python), str(script), folder, str(K), str(arguments.repeats)]
        is_available = arguments.lenskit_python is not None
    else:
        command = [sys.executable, "-m", "benchmarks.training", "--only", name, "--folder", folder]
        command += ["--repeats", str(arguments.repeats)]
        is_available = name in IMPLICIT_ALGORITHMS or PERENNIAL_ALGORITHMS[name][0] in ALGORITHMS
    if not is_available:
        return {"seconds": None, "cpu_s": None, "peak_mb": None, "data_mb": None}
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(process.stdout.splitlines()[-1])


def measure_fit(name: str, folder: Path, repeats: int) -> dict[str, Any]:
    data = {column: np.load(folder / f"{column}.npy") for column in ("user", "item", "order", "weight", "shape")}
    work = prepare_implicit_fit(name, data) if name in IMPLICIT_ALGORITHMS else prepare_perennial_fit(name, data)
    loaded = get_peak_mb()
    timings = []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        work()
        timings.append((time.perf_counter() - start, time.process_time() - cpu))
    seconds, cpu_s = min(timings)
    return {"seconds": round(seconds, 3), "cpu_s": round(cpu_s, 3), "peak_mb": get_peak_mb(), "data_mb": loaded}


def prepare_perennial_fit(name: str, data: dict[str, npt.NDArray]) -> Callable[[], object]:
    algorithm, parameters = PERENNIAL_ALGORITHMS[name]
    ALGORITHMS[algorithm](**parameters).fit(
        Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    )
    n_users, n_items = data["shape"].tolist()
    users, items = IdMap.of(np.arange(n_users)), IdMap.of(np.arange(n_items))

    def fit() -> object:
        interactions = Interactions.from_rows(
            user=data["user"], item=data["item"], order=data["order"], weight=data["weight"], users=users, items=items
        )
        return ALGORITHMS[algorithm](**parameters).fit(interactions)

    return fit


def prepare_implicit_fit(name: str, data: dict[str, npt.NDArray]) -> Callable[[], object]:
    def fit_matrix(matrix: csr_matrix) -> object:
        # implicit recommends one BLAS thread, because it has its own threads
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):
            warnings.simplefilter("ignore")
            model = IMPLICIT_ALGORITHMS[name]()
            model.fit(matrix, show_progress=False)
        return model

    def fit() -> object:
        shape = tuple(data["shape"].tolist())
        return fit_matrix(csr_matrix((data["weight"], (data["user"], data["item"])), shape=shape))

    fit_matrix(csr_matrix(np.eye(3, dtype=np.float32)))
    return fit


if __name__ == "__main__":
    main()
