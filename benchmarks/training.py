"""How long fitting takes and what memory it needs, ours and `implicit`'s on the same made-up purchases, each in a process of its own.

Everything is timed from the same arrays (person, product, time, weight) to the finished model, the best of --repeats fits after a
tiny one that compiles. The same is done with half of the interactions, which gives the growth per doubling; users grow with the
interactions, products do not. LensKit is measured too where --lenskit-python names an interpreter of an environment that has it.
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
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "item_knn": ("item-knn", {"k": K}),
    "item_knn_bm25": ("item-knn", {"k": K, "weighting": "bm25"}),
    "ials": ("ials", {"factors": FACTORS, "iterations": SWEEPS}),
    "transitions": ("transitions", {}),
    "graph_filter": ("graph-filter", {}),
    "rp3beta": ("rp3beta", {}),
    "clusters": ("clusters", {}),
}
THEIRS: dict[str, Callable[[], Any]] = {
    "implicit_cosine": lambda: CosineRecommender(K=K),
    "implicit_bm25": lambda: BM25Recommender(K=K),
    "implicit_als": lambda: AlternatingLeastSquares(factors=FACTORS, iterations=SWEEPS, random_state=0),
}
RATIOS = {"item_knn": "implicit_cosine", "item_knn_bm25": "implicit_bm25", "ials": "implicit_als"}


def main() -> None:
    arguments = parse()
    if arguments.only:
        print(json.dumps(fit_one(arguments.only, arguments.folder, arguments.repeats)))
        return
    whole, half = measure(arguments.interactions, arguments), measure(arguments.interactions // 2, arguments)
    line: dict[str, Any] = {"seconds": whole["item_knn"]["seconds"], "peak_mb": whole["item_knn"]["peak_mb"]}
    line["ratio"] = ratio(whole, "item_knn", "implicit_cosine")
    for name, found in whole.items():
        line |= {f"{name}_{key}": value for key, value in found.items()}
        line[f"{name}_growth"] = None if not found["seconds"] else round(found["seconds"] / half[name]["seconds"], 2)
        if name in RATIOS:
            line[f"{name}_ratio"] = ratio(whole, name, RATIOS[name])
    line |= {
        "interactions": arguments.interactions,
        "items": arguments.items,
        "people": people_of(arguments.interactions),
        "processors": os.cpu_count(),
        "notes": f"best of {arguments.repeats} after a warm-up; k={K}, {FACTORS} factors, {SWEEPS} sweeps; peaks are of the whole "
        "process with its copy of the data (data_mb after loading); cpu_s is of all its threads; growth is against half the interactions; "
        + "; ".join(absent(arguments)),
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


def people_of(interactions: int) -> int:
    return max(2, interactions // 25)


def absent(arguments: argparse.Namespace) -> list[str]:
    missing = [f"{name}: no such algorithm yet" for name, (algorithm, _) in OURS.items() if algorithm not in ALGORITHMS]
    if arguments.lenskit_python is None:
        missing.append("lenskit: no --lenskit-python given")
    return missing or ["everything measured"]


def ratio(found: dict[str, dict[str, Any]], one: str, other: str) -> float | None:
    if not (found[one]["seconds"] and found[other]["seconds"]):
        return None
    return round(found[one]["seconds"] / found[other]["seconds"], 3)


def measure(interactions: int, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    log(f"making {interactions:,} purchases of {arguments.items:,} products by {people_of(interactions):,} people")
    with tempfile.TemporaryDirectory() as folder:
        purchases = make_purchases(interactions, arguments.items, people_of(interactions), arguments.seed)
        purchases["order"] = np.random.default_rng(arguments.seed + 1).random(interactions) * 365 * 86_400
        for name, column in purchases.items():
            np.save(Path(folder) / f"{name}.npy", column)
        found = {}
        for name in (*OURS, *THEIRS, "lenskit_item_knn"):
            found[name] = run(name, folder, arguments)
            log(f"{name}: {json.dumps(found[name])}")
    return found


def run(name: str, folder: str, arguments: argparse.Namespace) -> dict[str, Any]:
    if name == "lenskit_item_knn":
        script = Path(__file__).with_name("lenskit_item_knn.py")
        command = [str(arguments.lenskit_python), str(script), folder, str(K), str(arguments.repeats)]
        wanted = arguments.lenskit_python is not None
    else:
        command = [sys.executable, "-m", "benchmarks.training", "--only", name, "--folder", folder]
        command += ["--repeats", str(arguments.repeats)]
        wanted = name in THEIRS or OURS[name][0] in ALGORITHMS
    if not wanted:
        return {"seconds": None, "cpu_s": None, "peak_mb": None, "data_mb": None}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def fit_one(name: str, folder: Path, repeats: int) -> dict[str, Any]:
    data = {column: np.load(folder / f"{column}.npy") for column in ("user", "item", "order", "weight", "shape")}
    work = fit_theirs(name, data) if name in THEIRS else fit_ours(name, data)
    loaded = get_peak_mb()
    times = []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - start, time.process_time() - cpu))
    seconds, cpu_s = min(times)
    return {"seconds": round(seconds, 3), "cpu_s": round(cpu_s, 3), "peak_mb": get_peak_mb(), "data_mb": loaded}


def fit_ours(name: str, data: dict[str, npt.NDArray]) -> Callable[[], object]:
    algorithm, parameters = OURS[name]
    ALGORITHMS[algorithm](**parameters).fit(
        Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    )
    n_people, n_items = data["shape"].tolist()
    users, items = IdMap.of(np.arange(n_people)), IdMap.of(np.arange(n_items))

    def fit() -> object:
        interactions = Interactions.from_rows(
            user=data["user"], item=data["item"], order=data["order"], weight=data["weight"], users=users, items=items
        )
        return ALGORITHMS[algorithm](**parameters).fit(interactions)

    return fit


def fit_theirs(name: str, data: dict[str, npt.NDArray]) -> Callable[[], object]:
    def fit_matrix(matrix: csr_matrix) -> object:
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):  # as it asks for; it has threads of its own
            warnings.simplefilter("ignore")
            model = THEIRS[name]()
            model.fit(matrix, show_progress=False)
        return model

    def fit() -> object:
        shape = tuple(data["shape"].tolist())
        return fit_matrix(csr_matrix((data["weight"], (data["user"], data["item"])), shape=shape))

    fit_matrix(csr_matrix(np.eye(3, dtype=np.float32)))
    return fit


if __name__ == "__main__":
    main()
