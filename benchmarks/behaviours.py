"""The next product a user buys, from all they did: TRAIN (parquet: user, item, behavior, ts) and TEST (user, item).

Ranks all items for each user of TEST except those the user interacted with in TRAIN. The weight and decay of each event type (for
training and for the history), all other parameters, and the ensemble weights are tuned by NDCG@10 on each user's newest purchase in
TRAIN (without their other events with that product), within --budget seconds of search per algorithm, those of `implicit` included;
then each is fitted on all of TRAIN and evaluated once on TEST. The headline is our best algorithm on the validation purchases.

`current_visit`: for people with purchases and views (and for all visitors), the hit rate and NDCG at 10 of the next product of a visit in
the last window of TRAIN, without ("before") and with ("served": as for-you serves it) the component for the current visit, see
`benchmarks.current_visit`. `--only-visits` prints nothing else.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.current_visit import measure_current_visit
from benchmarks.neighbours import get_peak_mb, log
from recommendations.engine import ALGORITHMS, KIND_CODES, KINDS, Algorithm, Histories, Interactions, recommend
from recommendations.engine.algorithms.ensembles.event_type_ensemble import EventTypeEnsemble
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.event_weights import PARAMETERS, EventWeights, build_weight_space, parse_event_weights
from recommendations.engine.evaluation import Split, estimate_intervals, leave_last_item_out, make_split
from recommendations.engine.evaluation.bootstrap import UNIT
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.runner import find_relevant_items
from recommendations.engine.tuning.ensemble_weights import tune_ensemble_weights
from recommendations.engine.tuning.parameter_search import search_parameters

NS = (5, 10)
N = max(NS)
BLEND_OF = 8
HISTORY = "history_"
NAMES = {
    "view": "view", "pv": "view", "click": "click", "fav": "wishlist", "wishlist": "wishlist", "cart": "cart",
    "addtocart": "cart", "buy": "purchase", "transaction": "purchase", "purchase": "purchase",
}  # fmt: skip
NEIGHBOURS: dict[str, Sequence[Any]] = {
    "k": (200, 500, 1000, 2000),
    "decay": (0.8, 0.9, 0.95, 0.98, 0.99, 1.0),
    "reach": (0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9),
    "back": (0.3, 0.5, 0.7, 1.0, 1.5),
    "damping": (-0.4, -0.2, 0.0, 0.1, 0.2, 0.3, 0.5),
    "match_damping": (0.0, 0.3, 0.5, 0.7, 0.9, 1.1),
    "length_damping": (0.0, 0.2, 0.3, 0.5, 0.7, 1.0),
}
SPACES: dict[str, dict[str, Sequence[Any]]] = {
    "popularity": {},
    "item-knn": {
        "weighting": ("raw", "binary", "log", "tf-idf", "bm25"),
        "k": (20, 50, 100, 200, 400),
        "shrinkage": (0.0, 1.0, 5.0, 20.0),
        "history_weighting": ("raw", "binary", "log"),
    },
    "user-knn": {
        "k": (20, 50, 100, 200, 400, 800),
        "idf": (False, True),
        "shrinkage": (0.0, 1.0, 5.0, 20.0),
        "weighting": ("raw", "binary", "log"),
    },
    "graph-filter": {
        "power": (0.4, 0.6, 0.8, 1.0, 1.2, 1.4),
        "item_exponent": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        "user_exponent": (0.3, 0.4, 0.5, 0.6, 0.7, 0.9),
        "target_exponent": (-0.3, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4),
        "k": (100, 300, 1000),
    },
    "rp3beta": {
        "damping": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        "exponent": (0.6, 0.8, 1.0, 1.2, 1.4),
        "k": (50, 100, 200, 400),
    },
    "transitions": {
        "k": (100, 200, 400),
        "decay": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9),
        "backward": (0.1, 0.3, 0.5, 0.7, 1.0),
        "length_damping": (0.0, 0.5, 1.0, 1.5, 2.0),
        "source_damping": (0.1, 0.3, 0.5, 0.7, 0.9),
        "target_damping": (-0.2, 0.0, 0.1, 0.2, 0.3, 0.5),
        "smoothing": (1.0, 3.0, 10.0, 30.0),
        "recency": (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0),
    },
    "transition-walk": {
        "k": (200, 400, 800),
        "branches": (15, 30, 60),
        "decay": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9),
        "backward": (0.3, 0.5, 0.7, 1.0),
        "length_damping": (0.0, 0.5, 1.0, 1.5, 2.0),
        "source_damping": (0.3, 0.5, 0.7, 0.9),
        "target_damping": (-0.2, 0.0, 0.2, 0.3, 0.5),
        "recency": (0.7, 0.8, 0.9, 0.95, 0.98, 1.0),
    },
    "session-knn": {
        "gap_s": (0.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0),
        **NEIGHBOURS,
    },
    "person-neighbors": {"gap_s": (86_400.0, 7 * 86_400.0, None), **NEIGHBOURS},
    "ials": {
        "unobserved_weight": (2.0, 5.0, 16.0, 50.0, 160.0),
        "regularization": (0.01, 0.02, 0.05, 0.1, 0.2),
        "factors": (32, 64, 128),
    },
    "implicit-cosine": {"K": (20, 50, 100, 200, 400)},
    "implicit-tf-idf": {"K": (20, 50, 100, 200, 400)},
    "implicit-bm25": {"K": (20, 50, 100, 200, 400), "B": (0.0, 0.2, 0.5, 0.8), "K1": (0.5, 1.2, 3.0, 100.0)},
    "implicit-als": {
        "alpha": (1.0, 3.0, 10.0, 40.0),
        "regularization": (0.01, 0.1, 1.0, 10.0),
        "factors": (32, 64, 128),
        "iterations": (8, 16),
    },
}
STARTS: dict[str, dict[str, Any]] = {
    "session-knn": {"gap_s": 1800.0, "decay": 0.95},
    "person-neighbors": {"gap_s": None, "decay": 0.95},
    "transitions": {"recency": 0.9, "target_damping": 0.1},
    "transition-walk": {"recency": 0.9},
    "user-knn": {"weighting": "log", "idf": True},
}
VARIANTS = {"person-neighbors": "session-knn"}  # neighbors are whole users, or their activity within days
PEERS: dict[str, type] = {
    "implicit-cosine": CosineRecommender,
    "implicit-tf-idf": TFIDFRecommender,
    "implicit-bm25": BM25Recommender,
    "implicit-als": AlternatingLeastSquares,
}


class Model(Protocol):
    def fit(self, train: Interactions) -> None: ...

    def recommend_items(self, histories: Histories) -> npt.NDArray[np.int32]: ...


@dataclass(frozen=True, eq=False)
class Task:
    """The training data, the users to evaluate, and the products that are relevant for them."""

    train: Interactions
    histories: Histories
    relevant: csr_array

    @classmethod
    def of_split(cls, split: Split) -> "Task":
        users = np.unique(split.test.user)
        return cls(
            split.train,
            split.train.build_histories(users),
            find_relevant_items(split.test, split.train, users, exclude_seen=True),
        )

    def compute_figures(self, items: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """Return hit rate and NDCG at 5, then at 10; shape (users, 4)."""
        hits, counts = find_hits(items, self.relevant), np.diff(self.relevant.indptr)
        return np.column_stack([figure(hits[:, :n], counts) for n in NS for figure in (hit_rate, ndcg)])

    def compute_value(self, items: npt.NDArray[np.int32]) -> float:
        return float(np.nanmean(self.compute_figures(items)[:, -1]))


class PerennialModel:
    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        training, history, rest = split_parameters(parameters)
        self.model: Algorithm = EventTypeEnsemble(
            {"algorithm": VARIANTS.get(name, name), "parameters": rest},
            dict(training.kinds), training.half_life_days, dict(history.kinds), history.half_life_days, training.quantity, history.quantity,
        )  # fmt: skip

    def fit(self, train: Interactions) -> None:
        self.model.fit(train)

    def recommend_items(self, histories: Histories) -> npt.NDArray[np.int32]:
        return recommend(self.model, histories, N, exclude_seen=True, tie_seed=0).items


class ImplicitModel:
    """An algorithm of `implicit`, with the same weights of event types and ages."""

    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        self.training, self.history, rest = split_parameters(parameters)
        seed = {"random_state": 0} if name == "implicit-als" else {}
        self.make = lambda: PEERS[name](**rest, **seed)

    def fit(self, train: Interactions) -> None:
        # implicit recommends one BLAS thread, because it has its own threads
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):
            warnings.simplefilter("ignore")
            self.model = self.make()
            self.model.fit(csr_matrix(self.training.of(train).build_user_items()), show_progress=False)

    def recommend_items(self, histories: Histories) -> npt.NDArray[np.int32]:
        own = csr_matrix(self.history.of_histories(histories).build_matrix())
        seen = histories.get_seen_items()
        # implicit would not filter seen products with the weight 0, so they are filtered here
        n = min(N + int(np.diff(seen.indptr).max(initial=0)), seen.shape[1])
        with threadpool_limits(1, "blas"):
            items, scores = self.model.recommend(histories.user, own, N=n, filter_already_liked_items=False)
        has_no_score = (scores == 0) | ~(scores > -1e38)
        is_excluded = has_no_score | find_hits(items.astype(np.int32), seen)
        best = np.argsort(is_excluded, axis=1, kind="stable")[:, :N]  # a stable sort keeps the ranking
        return np.where(
            np.take_along_axis(is_excluded, best, axis=1), -1, np.take_along_axis(items, best, axis=1)
        ).astype(np.int32)


def main() -> None:
    arguments = parse()
    train, test = read(arguments.train, with_kinds=True), read(arguments.test, with_kinds=False)
    current_visit = measure_current_visit(train, seed=arguments.seed)
    if arguments.only_visits:
        print(json.dumps({"current_visit": current_visit}))
        return
    split = make_split(train=train, test=test)
    inner = leave_last_item_out(split.train, kind=find_target_kind(split.train))
    tuning, final = Task.of_split(inner), Task.of_split(split)
    log(
        f"{split.train.n_users:,} people, {split.train.n_items:,} items, {len(split.train):,} events; "
        f"{len(tuning.histories):,} people for tuning, {len(final.histories):,} for the test"
    )
    compile_kernels()
    lines: dict[str, dict[str, Any]] = {}
    figures: dict[str, npt.NDArray[np.float64]] = {}
    fitted: dict[str, Algorithm] = {}
    for name in arguments.algorithms:
        lines[name], figures[name], model = measure(name, tuning, final, arguments)
        if isinstance(model, PerennialModel):
            fitted[name] = model.model
    if len(fitted) > 1:
        lines["blend"], figures["blend"] = measure_blend(lines, fitted, tuning, final)
    own = [name for name in lines if name not in PEERS]
    best = max(own, key=lambda name: lines[name][f"validation_ndcg@{N}"])
    run_summary = {
        "algorithm": best,
        "against": {name: compute_differences(figures[best], figures[name]) for name in list_rivals(lines, best)},
        "peak_mb": get_peak_mb(),
        "people": split.train.n_users,
        "items": split.train.n_items,
        "events": len(split.train),
        "processors": os.cpu_count(),
        "notes": f"tuned by ndcg@{N} on the newest {find_target_kind(split.train)} of each person in TRAIN, {arguments.budget:.0f} s of search "
        "each; TEST scored once each; against: differences to our best other algorithm and to implicit's best on TEST, paired "
        "bootstrap over people, 95%; item numbers are not used: in such files they reveal the order in which people met the items",
    }
    print(json.dumps({**lines[best], **run_summary, "current_visit": current_visit, "algorithms": lines}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--algorithms", nargs="+", choices=sorted(SPACES), default=list(SPACES), metavar="NAME")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of search for each algorithm")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-visits", action="store_true", help="measure the current visit only")
    return parser.parse_args()


def read(path: Path, *, with_kinds: bool) -> Interactions:
    table = pq.read_table(path)
    required = ("user", "item", "behavior", "ts") if with_kinds else ("user", "item")
    missing = [name for name in required if name not in table.column_names]
    if missing:
        raise SystemExit(
            f"{path}: no column {missing[0]!r}; required are {', '.join(required)}, it has {table.column_names}"
        )
    users, items = (table[name].to_numpy() for name in ("user", "item"))
    if not with_kinds:
        return Interactions.from_ids(user_ids=users, item_ids=items)
    behaviours = table["behavior"].combine_chunks().dictionary_encode()
    unknown = sorted(set(behaviours.dictionary.to_pylist()) - set(NAMES))
    if unknown:
        raise SystemExit(f"{path}: behavior {unknown[0]!r} is unknown; valid: {', '.join(NAMES)}")
    codes = np.array([KIND_CODES[NAMES[name]] for name in behaviours.dictionary.to_pylist()], np.int8)
    return Interactions.from_ids(
        user_ids=users, item_ids=items, order=table["ts"].to_numpy(), kind=codes[behaviours.indices.to_numpy()]
    )


def find_target_kind(train: Interactions) -> str:
    """Return purchases, or the rarest event type if there are none."""
    counts = np.bincount(train.kind, minlength=len(KINDS))
    if counts[KIND_CODES["purchase"]]:
        return "purchase"
    return min((kind for kind in KINDS if counts[KIND_CODES[kind]]), key=lambda kind: counts[KIND_CODES[kind]])


def build_search_space(name: str, train: Interactions) -> tuple[dict[str, Sequence[Any]], dict[str, Any]]:
    """Return the search space (weights and half-life for training and for the history, and the algorithm's parameters) and the start."""
    events = build_weight_space(train)
    history = {} if name == "popularity" else {HISTORY + key: values for key, values in events.items()}
    space = {**events, **history, **SPACES[name]}
    neutral = {key: None if key.endswith("half_life_days") else 1.0 for key in (*events, *history)}
    return space, {**STARTS.get(name, {}), **neutral}


def split_parameters(parameters: Mapping[str, Any]) -> tuple[EventWeights, EventWeights, dict[str, Any]]:
    """Split parameters into the training weights, the history weights, and the rest for the algorithm."""
    training = {key: parameters[key] for key in PARAMETERS if key in parameters}
    history = {key: parameters[HISTORY + key] for key in PARAMETERS if HISTORY + key in parameters}
    used = {*training, *(HISTORY + key for key in history)}
    rest = {key: value for key, value in parameters.items() if key not in used}
    return parse_event_weights(training), parse_event_weights(history), rest


def make_model(name: str, parameters: Mapping[str, Any]) -> PerennialModel | ImplicitModel:
    return ImplicitModel(name, parameters) if name in PEERS else PerennialModel(name, parameters)


def measure(
    name: str, tuning: Task, final: Task, arguments: argparse.Namespace
) -> tuple[dict[str, Any], npt.NDArray[np.float64], Model]:
    """Return the result line, the metrics of each user, and the model fitted on the validation data."""

    def evaluate(parameters: Mapping[str, Any]) -> float:
        model = make_model(name, parameters)
        model.fit(tuning.train)
        return tuning.compute_value(model.recommend_items(tuning.histories))

    space, start = build_search_space(name, tuning.train)
    search = search_parameters(
        space=space, evaluate=evaluate, budget_s=arguments.budget, seed=arguments.seed, start=start
    )
    validation_model, model = make_model(name, search.best.parameters), make_model(name, search.best.parameters)
    validation_model.fit(tuning.train)
    started = time.perf_counter()
    model.fit(final.train)
    line, figures = summarize(name, model, final, time.perf_counter() - started, search.seconds, search.best.value)
    return line | {"tried": len(search.trials), "parameters": search.best.parameters}, figures, validation_model


class BlendModel:
    def __init__(self, blend: WeightedEnsemble) -> None:
        self.model = blend

    def fit(self, train: Interactions) -> None:
        self.model.fit(train)

    def recommend_items(self, histories: Histories) -> npt.NDArray[np.int32]:
        return recommend(self.model, histories, N, exclude_seen=True, tie_seed=0).items


def measure_blend(
    lines: Mapping[str, dict[str, Any]], fitted: Mapping[str, Algorithm], tuning: Task, final: Task
) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
    """Tune the weights of our best algorithms on the validation purchases, and measure the loss without each of them."""
    started = time.perf_counter()
    best_names = sorted(fitted, key=lambda name: -lines[name][f"validation_ndcg@{N}"])[:BLEND_OF]

    def tune_weights(names: Sequence[str]) -> Any:
        return tune_ensemble_weights(
            components={name: fitted[name] for name in names},
            histories=tuning.histories, relevant=tuning.relevant, exclude_seen=True, n=N,
        )  # fmt: skip

    tuned = tune_weights(best_names)
    weights = {name: weight for name, weight in tuned.weights.items() if weight > 0}
    tune_s = time.perf_counter() - started
    without = {
        name: round(tune_weights([component for component in weights if component != name]).value, 4)
        for name in (weights if len(weights) > 1 else ())
    }
    described = {name: {"algorithm": "event-types", "parameters": fitted[name].get_parameters()} for name in weights}
    blend = BlendModel(WeightedEnsemble(described, weights))
    started = time.perf_counter()
    blend.fit(final.train)
    line, figures = summarize("blend", blend, final, time.perf_counter() - started, tune_s, tuned.value)
    return line | {"parameters": {"weights": weights}, f"validation_ndcg@{N}_without": without}, figures


def summarize(
    name: str, model: Model, final: Task, fit_s: float, tune_s: float, validation_value: float
) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
    started = time.perf_counter()
    items = model.recommend_items(final.histories)
    recommend_s = time.perf_counter() - started
    figures = final.compute_figures(items)
    keys = [f"{metric}@{n}" for n in NS for metric in ("hr", "ndcg")]
    line: dict[str, Any] = {}
    for key, interval in zip(keys, estimate_intervals(figures, seed=0, bounds=UNIT), strict=True):
        line |= {
            key: round(interval.value, 4),
            f"{key}_low": round(interval.low, 4),
            f"{key}_high": round(interval.high, 4),
        }
    line |= {
        f"validation_ndcg@{N}": round(validation_value, 4),
        "fit_s": round(fit_s, 2),
        "recommend_s": round(recommend_s, 2),
        "tune_s": round(tune_s, 1),
    }
    log(f"{name}: {json.dumps(line)}")
    return line, figures


def list_rivals(lines: Mapping[str, dict[str, Any]], best: str) -> list[str]:
    """Return our best other algorithm and the best one of implicit on TEST."""
    groups = (
        [name for name in lines if name not in (*PEERS, best, "blend")],
        [name for name in lines if name in PEERS],
    )
    return [max(group, key=lambda name: lines[name][f"ndcg@{N}"]) for group in groups if group]


def compute_differences(own: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> dict[str, list[float]]:
    """Return the differences of the hit rate and NDCG at 10: [mean, low, high]."""
    differences = estimate_intervals((own - other)[:, -2:], seed=0)
    return {
        f"{metric}@{N}": [round(interval.value, 4), round(interval.low, 4), round(interval.high, 4)]
        for metric, interval in zip(("hr", "ndcg"), differences, strict=True)
    }


def compile_kernels() -> None:
    """Compile the kernels in advance, so that no measured time contains it; numba caches them per installation."""
    tiny = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    for name in SPACES:
        if name in ALGORITHMS:
            recommend(ALGORITHMS[name]().fit(tiny), tiny.build_histories(), 2, exclude_seen=False)


if __name__ == "__main__":
    main()
