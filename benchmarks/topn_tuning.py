"""Tuning of benchmarks.topn: parameters and the weights of the blend on the validation part, within a budget of seconds.

Each algorithm is first tried on an eighth of the users, which shows how good and how slow it is. Then the best are tried on all users, as
far as that fits into half of the time, and the best four of these are searched in rounds of equal time, after each of which the worse half
is left out (successive halving).
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from benchmarks.neighbours import log
from benchmarks.ranking_models import ImplicitModel, PerennialModel, RankingTask
from recommendations.engine import ALGORITHMS, Algorithm, Interactions, recommend
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.recall import recall
from recommendations.engine.tuning.ensemble_weights import evaluate_without_each, tune_ensemble_weights
from recommendations.engine.tuning.parameter_search import search_parameters

N = 20
BLEND_OF = 5
MIN_PROBED_USERS = 100
PROBE_DIVISOR = 8  # one user in this many is enough to show how good and how slow an algorithm is
START_SHARE = 0.5  # of the budget, within which algorithms are tried with their start parameters
BLEND_SHARE = 0.2  # of the budget, for the weights of the blend
SEARCHED = 4  # algorithms in the first round of the search
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
PEERS = ("implicit-cosine", "implicit-bm25", "implicit-als")


class Task(RankingTask):
    """The training data, the users to evaluate, and their relevant items."""

    def select_users(self, divisor: int) -> "Task":
        """Return the task with one user in ``divisor`` only, in the training data too."""
        rows = np.flatnonzero(self.histories.user % divisor == 0)
        train = self.train.select(self.train.user % divisor == 0)
        return replace(
            self,
            train=train,
            histories=train.build_histories(self.histories.user[rows]),
            relevant=csr_array(self.relevant[rows, :]),
        )

    def compute_figures(self, items: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """Return recall@20 and NDCG@20; shape (users, 2)."""
        hits, counts = find_hits(items, self.relevant), np.diff(self.relevant.indptr)
        return np.column_stack([recall(hits, counts), ndcg(hits, counts)])


def read_clock() -> float:
    return time.perf_counter()


@dataclass(frozen=True)
class Deadline:
    """A deadline that is a number of seconds from now."""

    seconds: float
    started_at: float = field(default_factory=read_clock)

    def get_elapsed(self) -> float:
        return read_clock() - self.started_at

    def get_remaining(self) -> float:
        return max(self.seconds - self.get_elapsed(), 0.0)


class ParameterSearch:
    """The parameters of one algorithm tried on the validation part, each at most once; best_model is fitted on its past."""

    def __init__(self, name: str, tuning: Task, arguments: argparse.Namespace, deadline: Deadline) -> None:
        self.name, self._tuning, self._arguments, self._deadline = name, tuning, arguments, deadline
        self.fixed_parameters = {"max_items": arguments.ease_items} if name == "ease" else {}
        self.start = STARTS.get(name, {})
        self.seconds = 0.0
        self._values: dict[str, float] = {}
        self._trial_s = 0.0
        self.best_parameters: dict[str, Any] = {}
        self.best_value = -1.0
        self.best_model: PerennialModel | ImplicitModel | None = None

    @property
    def tried(self) -> int:
        return len(self._values)

    def evaluate(self, parameters: Mapping[str, Any]) -> float:
        """Return NDCG@20 on the validation part; NaN if a trial as long as the last one would end too late."""
        key = json.dumps(parameters, sort_keys=True)
        if key in self._values:
            return self._values[key]
        if self._deadline.get_remaining() < self._trial_s:
            return float("nan")
        started = time.perf_counter()
        model = make_model(self.name, {**parameters, **self.fixed_parameters})
        value = self._values[key] = evaluate_model(model, self._tuning)
        self._trial_s = time.perf_counter() - started
        self.seconds += self._trial_s
        log(f"{self.name}: {value:.4f} after {self.seconds:.1f} s with {key}")
        if value > self.best_value:
            self.best_value, self.best_parameters, self.best_model = value, dict(parameters), model
        return value

    def search(self, budget_s: float) -> None:
        """Search around the best parameters so far."""
        if SPACES[self.name]:
            search_parameters(
                space=SPACES[self.name],
                evaluate=self.evaluate,
                budget_s=budget_s,
                seed=self._arguments.seed,
                start=self.best_parameters,
            )


@dataclass(frozen=True)
class Probe:
    """An algorithm with its start parameters on a part of the users: NDCG@20, and the seconds that all users would take."""

    value: float
    seconds: float


def probe(name: str, part: Task, arguments: argparse.Namespace) -> Probe:
    """Try an algorithm on a part of the users; EASE, whose time depends on the items alone, on half of its items.

    Too few users show nothing: all algorithms then count as equally good and fast, and are tried in the order of SPACES.
    """
    if len(part.histories) < MIN_PROBED_USERS:
        return Probe(0.0, 0.0)
    fixed = {"max_items": arguments.ease_items // 2} if name == "ease" else {}
    started = time.perf_counter()
    value = evaluate_model(make_model(name, {**STARTS.get(name, {}), **fixed}), part)
    result = Probe(value, PROBE_DIVISOR * (time.perf_counter() - started))
    log(f"{name}: {result.value:.4f} on a part of the users, about {result.seconds:.1f} s on all of them")
    return result


def evaluate_model(model: PerennialModel | ImplicitModel, task: Task) -> float:
    """Fit the model and return NDCG@20."""
    model.fit(task.train)
    return float(np.nanmean(task.compute_figures(model.recommend_items(task))[:, 1]))


def tune_within_budget(
    names: Sequence[str], tuning: Task, arguments: argparse.Namespace, budget_s: float
) -> dict[str, ParameterSearch]:
    """Try each algorithm on a part of the users, the best of them on all, and search the parameters of the best of these."""
    deadline = Deadline(budget_s)
    start_deadline = Deadline(START_SHARE * budget_s)
    part = tuning.select_users(PROBE_DIVISOR)
    probes = {name: probe(name, part, arguments) for name in names}
    fastest = min(names, key=lambda name: probes[name].seconds, default="")
    tried: dict[str, ParameterSearch] = {}
    for name in sorted(names, key=lambda name: -probes[name].value):
        if name != fastest and probes[name].seconds > start_deadline.get_remaining():
            log(f"{name} is left out, as it would take {probes[name].seconds:.0f} s")
            continue
        tried[name] = ParameterSearch(name, tuning, arguments, deadline)
        tried[name].evaluate(tried[name].start)
    searched = sorted(tried.values(), key=lambda search: -search.best_value)[:SEARCHED]
    n_rounds = len(searched).bit_length()  # 4, 2 and 1 algorithms
    while searched:
        round_s = deadline.get_remaining() / n_rounds
        for search in searched:
            search.search(round_s / len(searched))
        if len(searched) == 1:
            break
        searched = sorted(searched, key=lambda search: -search.best_value)[: len(searched) // 2]
        n_rounds -= 1
    return tried


def make_model(name: str, parameters: Mapping[str, Any]) -> PerennialModel | ImplicitModel:
    if name in PEERS:
        return ImplicitModel(name, parameters, n=N)
    return PerennialModel(ALGORITHMS[name](**parameters), n=N)


@dataclass(frozen=True)
class TunedBlend:
    """The weights of the blend, NDCG@20 on the validation part with all and without each component, and the seconds of tuning."""

    weights: dict[str, float]
    value: float
    without: dict[str, float]
    seconds: float


def tune_blend(own: Mapping[str, ParameterSearch], tuning: Task, deadline: Deadline) -> TunedBlend:
    """Tune the weights of our best algorithms, as the search left them, on the validation part."""
    started = time.perf_counter()
    names = sorted(own, key=lambda name: -own[name].best_value)[:BLEND_OF]
    fitted: dict[str, Algorithm] = {}
    for name in names:
        model = own[name].best_model
        if isinstance(model, PerennialModel):
            fitted[name] = model.model
    arguments: dict[str, Any] = {
        "histories": tuning.histories,
        "relevant": tuning.relevant,
        "exclude_seen": tuning.exclude_seen,
        "n": N,
    }
    chosen = tune_ensemble_weights(components=fitted, has_time=lambda: deadline.get_remaining() > 0, **arguments)
    weights = {name: weight for name, weight in chosen.weights.items() if weight > 0}
    values = evaluate_without_each(components=fitted, weights=weights, **arguments)
    means = {name: round(float(np.nanmean(value)), 4) for name, value in values.items()}
    value = means.pop("")
    log(f"blend: {value:.4f} with {weights}")
    return TunedBlend(weights, value, means if len(weights) > 1 else {}, time.perf_counter() - started)


def compile_kernels() -> None:
    """Compile the kernels in advance, so that no measured time contains it; numba caches them per installation."""
    tiny = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    for name in SPACES:
        if name in ALGORITHMS:
            recommend(ALGORITHMS[name]().fit(tiny), tiny.build_histories(), 2, exclude_seen=False)
