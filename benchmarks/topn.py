"""Top-n on a given split: TRAIN and TEST have lines "user item item …"; all items that the user does not have in TRAIN are ranked.

With --repeats items in TRAIN may be bought again: all items are ranked, an item counts as often as it is in a line, and lines must be
oldest first, because the validation data is then the newest part of each line instead of a random one. Lines don't contain baskets: if
TEST begins at a moment, a --validation part cut from TRAIN in time (benchmarks.topn_files makes it) is more like it.

Parameters are tuned on a random part of TRAIN: ours within --budget seconds together, `implicit`'s within as many. Each algorithm is
tried with its start parameters, the fast ones first, until half of the time is used; the rest goes to the search of the best three. Then
each that was tried is fitted on all of TRAIN and evaluated once on TEST. The headline is our best algorithm on the validation part.
benchmarks.topn_files makes such files.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.neighbours import get_peak_mb, log
from benchmarks.topn_files import hold_out_newest, read_interactions
from recommendations.engine import ALGORITHMS, Algorithm, Histories, Interactions, recommend
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.evaluation import Split, estimate_intervals, hold_out, make_split
from recommendations.engine.evaluation.beyond_accuracy.coverage import compute_coverage
from recommendations.engine.evaluation.beyond_accuracy.gini import compute_gini
from recommendations.engine.evaluation.bootstrap import UNIT
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.recall import recall
from recommendations.engine.evaluation.runner import find_relevant_items
from recommendations.engine.tuning.ensemble_weights import choose_weights
from recommendations.engine.tuning.parameter_search import search_parameters

N = 20
BLEND_OF = 5
START_SHARE = 0.5  # of the budget, after which no further algorithm is tried
SEARCH_SHARES = (0.6, 0.25, 0.15)  # of the rest, for the search of the best algorithms
# in the order of the time that they take
SPACES: dict[str, dict[str, Sequence[Any]]] = {
    "popularity": {},
    "repeat": {},
    "item-knn": {
        "weighting": ("binary", "tf-idf", "bm25"),
        "k": (20, 50, 100, 200, 400),
        "shrinkage": (0.0, 5.0, 20.0, 100.0),
    },
    "graph-filter": {
        "power": (0.5, 0.6, 0.8, 1.0, 1.2, 1.4, 1.7),
        "item_exponent": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        "user_exponent": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        "target_exponent": (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4),
        "low_pass_rank": (0, 64, 256),
        "k": (100, 300, 1000, 3000),
        "low_pass_weight": (0.1, 0.3, 1.0, 3.0),
    },
    "rp3beta": {
        "damping": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "exponent": (0.6, 0.8, 1.0, 1.2, 1.4),
        "k": (50, 100, 200, 400, 800),
    },
    "user-knn": {
        "k": (50, 100, 200, 400, 800),
        "idf": (False, True),
        "shrinkage": (0.0, 5.0, 20.0, 100.0),
    },
    "clusters": {
        "clusters": (10, 30, 100, 300),
        "damping": (0.0, 0.25, 0.5, 0.75, 1.0),
        "smoothing": (1.0, 10.0, 50.0),
    },
    "ials": {
        "regularization": (0.01, 0.02, 0.05, 0.1, 0.2),
        "unobserved_weight": (2.0, 5.0, 16.0, 50.0, 160.0),
        "factors": (32, 64, 128, 256),
        "frequency_exponent": (0.5, 0.75, 1.0),
        "iterations": (6, 8, 12, 16),
    },
    "ease": {"regularization": (10.0, 30.0, 100.0, 200.0, 400.0, 800.0, 1600.0)},
    "implicit-cosine": {"K": (20, 50, 100, 200, 400)},
    "implicit-bm25": {"K": (20, 50, 100, 200, 400), "B": (0.0, 0.2, 0.5, 0.8), "K1": (0.5, 1.2, 3.0, 100.0)},
    "implicit-als": {
        "alpha": (1.0, 3.0, 10.0, 40.0),
        "regularization": (0.01, 0.1, 1.0, 10.0),
        "factors": (32, 64, 128, 256),
        "iterations": (8, 16),
    },
}
STARTS: dict[str, dict[str, Any]] = {
    "item-knn": {"weighting": "bm25", "k": 100, "shrinkage": 0.0},
    "user-knn": {"k": 200, "idf": True, "shrinkage": 0.0},
    "graph-filter": {
        "power": 1.2, "item_exponent": 0.5, "user_exponent": 0.5, "target_exponent": 0.0, "k": 300, "low_pass_rank": 0,
        "low_pass_weight": 0.3,
    },
    "rp3beta": {"damping": 0.5, "exponent": 1.0, "k": 200},
    "ease": {"regularization": 200.0},
    "ials": {"regularization": 0.05, "unobserved_weight": 16.0, "factors": 64, "frequency_exponent": 1.0, "iterations": 8},
    "clusters": {"clusters": 100, "damping": 0.25, "smoothing": 10.0},
    "implicit-cosine": {"K": 100},
    "implicit-bm25": {"K": 100, "B": 0.2, "K1": 1.2},
    "implicit-als": {"alpha": 3.0, "regularization": 0.1, "factors": 64, "iterations": 8},
}  # fmt: skip
PEERS: dict[str, type] = {
    "implicit-cosine": CosineRecommender,
    "implicit-bm25": BM25Recommender,
    "implicit-als": AlternatingLeastSquares,
}


@dataclass(frozen=True, eq=False)
class Task:
    """The training data, the users to evaluate, and their relevant items."""

    train: Interactions
    histories: Histories
    relevant: csr_array
    exclude_seen: bool

    @classmethod
    def of_split(
        cls, split: Split, *, exclude_seen: bool = True, max_users: int | None = None, seed: int = 0
    ) -> "Task":
        users = np.unique(split.test.user)
        if max_users is not None and len(users) > max_users:
            users = np.sort(np.random.default_rng(seed).choice(users, max_users, replace=False))
        relevant = find_relevant_items(split.test, split.train, users, exclude_seen=exclude_seen)
        return cls(split.train, split.train.build_histories(users), relevant, exclude_seen)

    def compute_figures(self, items: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """Return recall@20 and NDCG@20; shape (users, 2)."""
        hits, counts = find_hits(items, self.relevant), np.diff(self.relevant.indptr)
        return np.column_stack([recall(hits, counts), ndcg(hits, counts)])


class PerennialModel:
    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        self.model: Algorithm = ALGORITHMS[name](**parameters)

    def fit(self, train: Interactions) -> None:
        self.model.fit(train)

    def recommend_items(self, task: Task) -> npt.NDArray[np.int32]:
        return recommend(self.model, task.histories, N, exclude_seen=task.exclude_seen, tie_seed=0).items


class ImplicitModel:
    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        seed = {"random_state": 0} if name == "implicit-als" else {}
        self.make = lambda: PEERS[name](**parameters, **seed)

    def fit(self, train: Interactions) -> None:
        # implicit recommends one BLAS thread, because it has its own threads
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):
            warnings.simplefilter("ignore")
            self.model = self.make()
            self.model.fit(csr_matrix(train.build_user_items()), show_progress=False)

    def recommend_items(self, task: Task) -> npt.NDArray[np.int32]:
        users, own = task.histories.user, csr_matrix(task.histories.build_matrix())
        items, scores = self.model.recommend(users, own, N=N, filter_already_liked_items=task.exclude_seen)
        return np.where(np.isfinite(scores) & (scores > -1e38), items, -1).astype(np.int32)


def main() -> None:
    arguments = parse()
    split = make_split(train=read_interactions(arguments.train), test=read_interactions(arguments.test))
    log(
        f"{split.train.n_users:,} people, {split.train.n_items:,} items, "
        f"{len(split.train):,} training pairs, {len(split.test):,} test pairs"
    )
    exclude_seen = not arguments.repeats
    validation = make_validation_split(split, arguments)
    tuning = Task.of_split(validation, exclude_seen=exclude_seen, max_users=arguments.people, seed=arguments.seed)
    test = Task.of_split(split, exclude_seen=exclude_seen)
    compile_kernels()
    names = [name for name in SPACES if name in arguments.algorithms and (name != "repeat" or arguments.repeats)]
    own = tune_within_budget([name for name in names if name not in PEERS], tuning, arguments)
    peers = tune_within_budget([name for name in names if name in PEERS], tuning, arguments)
    lines: dict[str, dict[str, Any]] = {}
    models: dict[str, Algorithm] = {}
    for name, tuned in (own | peers).items():
        lines[name], model = measure(name, tuned, test)
        if isinstance(model, PerennialModel):
            models[name] = model.model
    if len(models) > 1:
        lines["blend"] = measure_blend(lines, models, validation, tuning, test, arguments)
    best = max(lines.keys() - PEERS.keys(), key=lambda name: lines[name][f"validation_ndcg@{N}"])
    seconds = {
        "own_tune_s": round(sum(line["tune_s"] for name, line in lines.items() if name not in PEERS), 1),
        "peers_tune_s": round(sum(tuned.seconds for tuned in peers.values()), 1),
    }
    run = {**seconds, **describe_run(split, arguments)}
    print(json.dumps({**lines[best], "algorithm": best, **run, "algorithms": lines}))


def make_validation_split(split: Split, arguments: argparse.Namespace) -> Split:
    if arguments.validation:
        train, test = map(read_interactions, arguments.validation)
        return make_split(train=train, test=test)
    if arguments.repeats:
        return hold_out_newest(split.train, arguments.share)
    return hold_out(split.train, share=arguments.share, seed=arguments.seed)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--algorithms", nargs="+", choices=sorted(SPACES), default=list(SPACES), metavar="NAME")
    parser.add_argument(
        "--validation", nargs=2, type=Path, metavar=("TRAIN", "TEST"), help="a split of TRAIN for tuning"
    )
    parser.add_argument("--repeats", action="store_true", help="items in TRAIN may be bought again")
    parser.add_argument("--budget", type=float, default=120.0, help="seconds of search for all our algorithms together")
    parser.add_argument("--people", type=int, default=5_000, help="maximum number of users evaluated in a search")
    parser.add_argument(
        "--share", type=float, default=0.1, help="share of each person's items in TRAIN that is the validation part"
    )
    parser.add_argument(
        "--ease-items", type=int, default=10_000, help="maximum number of items of EASE, the most bought ones"
    )
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def describe_run(split: Split, arguments: argparse.Namespace) -> dict[str, Any]:
    share = f"{arguments.share:.0%} of each person's items in TRAIN"
    validation = "the given validation part" if arguments.validation else share
    return {
        "people": split.train.n_users,
        "items": split.train.n_items,
        "train_pairs": len(split.train),
        "test_pairs": len(split.test),
        "peak_mb": get_peak_mb(),
        "processors": os.cpu_count(),
        "repeats": arguments.repeats,
        "notes": f"parameters by ndcg@{N} on {validation}, {arguments.budget:.0f} s of search "
        "for ours together and as many for implicit's; TEST scored once each; peak_mb is of the whole run, with all models in memory",
    }


class ParameterSearch:
    """The parameters of one algorithm tried on the validation part, each at most once."""

    def __init__(self, name: str, tuning: Task, arguments: argparse.Namespace) -> None:
        self.name, self._tuning, self._arguments = name, tuning, arguments
        self.fixed_parameters = {"max_items": arguments.ease_items} if name == "ease" else {}
        self.start = STARTS.get(name, {})
        self.seconds = 0.0
        self._values: dict[str, float] = {}
        self.best_parameters: dict[str, Any] = {}
        self.best_value = -1.0

    @property
    def tried(self) -> int:
        return len(self._values)

    def evaluate(self, parameters: Mapping[str, Any]) -> float:
        """Return NDCG@20 on the validation part."""
        key = json.dumps(parameters, sort_keys=True)
        if key not in self._values:
            started = time.perf_counter()
            model = make_model(self.name, {**parameters, **self.fixed_parameters})
            model.fit(self._tuning.train)
            figures = self._tuning.compute_figures(model.recommend_items(self._tuning))
            value = self._values[key] = float(np.nanmean(figures[:, 1]))
            self.seconds += time.perf_counter() - started
            log(f"{self.name}: {value:.4f} after {self.seconds:.1f} s with {key}")
            if value > self.best_value:
                self.best_value, self.best_parameters = value, dict(parameters)
        return self._values[key]

    def search(self, budget_s: float) -> None:
        if SPACES[self.name]:
            search_parameters(
                space=SPACES[self.name],
                evaluate=self.evaluate,
                budget_s=budget_s,
                seed=self._arguments.seed,
                start=self.start,
            )


def tune_within_budget(names: Sequence[str], tuning: Task, arguments: argparse.Namespace) -> dict[str, ParameterSearch]:
    """Try each algorithm while half of the budget lasts, and search the parameters of the best ones in the rest."""
    started = time.perf_counter()
    tried: dict[str, ParameterSearch] = {}
    for name in names:
        if tried and time.perf_counter() - started > START_SHARE * arguments.budget:
            log(f"{name} is left out, as half of the budget is used")
            continue
        tried[name] = ParameterSearch(name, tuning, arguments)
        tried[name].evaluate(tried[name].start)
    best = sorted(tried.values(), key=lambda search: -search.best_value)[: len(SEARCH_SHARES)]
    for rank, search in enumerate(best):
        rest = arguments.budget - (time.perf_counter() - started)
        search.search(rest * SEARCH_SHARES[rank] / sum(SEARCH_SHARES[rank : len(best)]))
    return tried


def make_model(name: str, parameters: Mapping[str, Any]) -> "PerennialModel | ImplicitModel":
    return (ImplicitModel if name in PEERS else PerennialModel)(name, parameters)


def measure(name: str, tuned: ParameterSearch, test: Task) -> tuple[dict[str, Any], "PerennialModel | ImplicitModel"]:
    """Fit on all of TRAIN and evaluate on TEST."""
    parameters = {**tuned.best_parameters, **tuned.fixed_parameters}
    model = make_model(name, parameters)
    fit_s = measure_seconds(lambda: model.fit(test.train))
    line = summarize(name, model.recommend_items, test, fit_s, tuned.seconds, tuned.best_value)
    return line | {"tried": tuned.tried, "parameters": parameters}, model


def measure_blend(
    lines: Mapping[str, dict[str, Any]],
    models: Mapping[str, Algorithm],
    validation: Split,
    tuning: Task,
    test: Task,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Tune the weights of our best algorithms on the validation part. The time to fit is the sum of theirs."""
    started = time.perf_counter()
    names = sorted(models, key=lambda name: -lines[name][f"validation_ndcg@{N}"])[:BLEND_OF]
    validation_models = {name: ALGORITHMS[name](**models[name].get_parameters()).fit(tuning.train) for name in names}
    tuned_weights = choose_weights(
        components=validation_models,
        train=validation.train,
        validation=validation.test,
        exclude_seen=tuning.exclude_seen,
        seed=arguments.seed,
        n=N,
        max_users=arguments.people,
    )
    weights = {name: weight for name, weight in tuned_weights.weights.items() if weight > 0}

    def recommend_blend(fitted: Mapping[str, Algorithm], task: Task, *, without: str = "") -> npt.NDArray[np.int32]:
        rest = {name: weight for name, weight in weights.items() if name != without}
        blend = WeightedEnsemble.of_fitted({name: fitted[name] for name in rest}, rest)
        return recommend(blend, task.histories, N, exclude_seen=task.exclude_seen, tie_seed=0).items

    def compute_value(*, without: str = "") -> float:
        return float(
            np.nanmean(tuning.compute_figures(recommend_blend(validation_models, tuning, without=without))[:, 1])
        )

    value = compute_value()
    tune_s = time.perf_counter() - started
    fit_s = sum(lines[name]["fit_s"] for name in weights)
    line = summarize("blend", lambda task: recommend_blend(models, task), test, fit_s, tune_s, value)
    ablation = {name: round(compute_value(without=name), 4) for name in (weights if len(weights) > 1 else ())}
    return line | {"tried": None, "parameters": {"weights": weights}, f"validation_ndcg@{N}_without": ablation}


def summarize(
    name: str,
    best: Callable[[Task], npt.NDArray[np.int32]],
    test: Task,
    fit_s: float,
    tune_s: float,
    validation_value: float,
) -> dict[str, Any]:
    started = time.perf_counter()
    items = best(test)
    recommend_s = time.perf_counter() - started
    recalls, ndcgs = estimate_intervals(test.compute_figures(items), seed=0, bounds=UNIT)
    line = {
        f"recall@{N}": round(recalls.value, 4),
        f"ndcg@{N}": round(ndcgs.value, 4),
        f"recall@{N}_low": round(recalls.low, 4),
        f"recall@{N}_high": round(recalls.high, 4),
        f"ndcg@{N}_low": round(ndcgs.low, 4),
        f"ndcg@{N}_high": round(ndcgs.high, 4),
        f"validation_ndcg@{N}": round(validation_value, 4),
        f"coverage@{N}": round(compute_coverage(items, test.train.n_items), 4),
        f"gini@{N}": round(compute_gini(items, test.train.n_items), 4),
        "fit_s": round(fit_s, 2),
        "recommend_s": round(recommend_s, 2),
        "tune_s": round(tune_s, 1),
    }
    log(f"{name}: {json.dumps(line)}")
    return line


def compile_kernels() -> None:
    """Compile the kernels in advance, so that no measured time contains it; numba caches them per installation."""
    tiny = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    for name in SPACES:
        if name in ALGORITHMS:
            recommend(ALGORITHMS[name]().fit(tiny), tiny.build_histories(), 2, exclude_seen=False)


def measure_seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
