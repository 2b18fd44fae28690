"""LensKit's ItemKNN on the arrays of benchmarks.training: run by the interpreter of a separate environment, which has only lenskit.

    python -m venv ENV && ENV/bin/pip install lenskit
    python -m benchmarks.training --lenskit-python ENV/bin/python

Timed, as the others are, from the arrays to the finished neighbors; building its Dataset from a table is reported separately as dataset_s.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from lenskit.data import Dataset, from_interactions_df
from lenskit.knn import ItemKNNScorer


def main() -> None:
    folder, k, repeats = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    data = {name: np.load(folder / f"{name}.npy") for name in ("user", "item")}
    fit(from_interactions_df(pd.DataFrame({"user_id": [1, 1, 2, 2], "item_id": [1, 2, 1, 2]})), k)
    loaded = get_peak_mb()
    timings = []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        pairs = pd.DataFrame({"user_id": data["user"], "item_id": data["item"]}).drop_duplicates()
        dataset = from_interactions_df(pairs)
        built = time.perf_counter()
        fit(dataset, k)
        timings.append((time.perf_counter() - start, time.process_time() - cpu, built - start))
    seconds, cpu_s, dataset_s = (round(value, 3) for value in min(timings))
    line = {"seconds": seconds, "cpu_s": cpu_s, "peak_mb": get_peak_mb(), "data_mb": loaded, "dataset_s": dataset_s}
    print(json.dumps(line))


def fit(dataset: Dataset, k: int) -> ItemKNNScorer:
    model = ItemKNNScorer(max_nbrs=k, save_nbrs=k, feedback="implicit")
    model.train(dataset)
    return model


def get_peak_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1_048_576 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
