"""The next product a user buys, from all they did: TRAIN (parquet: user, item, behavior, ts) and TEST (user, item).

Ranks all items for each user of TEST except those the user interacted with in TRAIN. The weight and decay of each event type (for
training and for the history), all other parameters, and the ensemble weights are tuned by NDCG@10 on each user's newest purchase in
TRAIN (without their other events with that product), within --budget seconds of search per algorithm, those of `implicit` included;
then each is fitted on all of TRAIN and scored once on TEST. The headline is our best algorithm on the validation purchases.
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

from benchmarks.neighbours import get_peak_mb, log
from recommendations.engine import ALGORITHMS, KIND_CODES, KINDS, Algorithm, Histories, Interactions, recommend
from recommendations.engine.algorithms.ensembles.event_type_ensemble import EventTypeEnsemble
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.event_weights import PARAMETERS, EventWeights, build_weight_space, parse_event_weights
from recommendations.engine.evaluation import Split, estimate_intervals, leave_last_item_out, make_split
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
VARIANTS = {"person-neighbors": "session-knn"}  # where a neighbor is all a user did, or did within days
PEERS: dict[str, type] = {
    "implicit-cosine": CosineRecommender,
    "implicit-tf-idf": TFIDFRecommender,
    "implicit-bm25": BM25Recommender,
    "implicit-als": AlternatingLeastSquares,
}


class Contestant(Protocol):
    def fit(self, train: Interactions) -> None: ...

    def best(self, histories: Histories) -> npt.NDArray[np.int32]: ...


@dataclass(frozen=True, eq=False)
class Task:
    """Users to be judged by the products they took in test."""

    train: Interactions
    histories: Histories
    relevant: csr_array

    @classmethod
    def of(cls, split: Split) -> "Task":
        users = np.unique(split.test.user)
        return cls(
            split.train,
            split.train.histories(users),
            find_relevant_items(split.test, split.train, users, exclude_seen=True),
        )

    def figures(self, items: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """(users, 4): hit rate and ndcg at 5, then at 10."""
        hits, counts = find_hits(items, self.relevant), np.diff(self.relevant.indptr)
        return np.column_stack([figure(hits[:, :n], counts) for n in NS for figure in (hit_rate, ndcg)])

    def value(self, items: npt.NDArray[np.int32]) -> float:
        return float(np.nanmean(self.figures(items)[:, -1]))


class Ours:
    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        training, history, rest = parts_of(parameters)
        self.model: Algorithm = EventTypeEnsemble(
            {"algorithm": VARIANTS.get(name, name), "parameters": rest},
            dict(training.kinds), training.half_life_days, dict(history.kinds), history.half_life_days, training.quantity, history.quantity,
        )  # fmt: skip

    def fit(self, train: Interactions) -> None:
        self.model.fit(train)

    def best(self, histories: Histories) -> npt.NDArray[np.int32]:
        return recommend(self.model, histories, N, exclude_seen=True, tie_seed=0).items


class Theirs:
    """`implicit`, with the same weights of kinds and ages to choose from."""

    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        self.training, self.history, rest = parts_of(parameters)
        seed = {"random_state": 0} if name == "implicit-als" else {}
        self.make = lambda: PEERS[name](**rest, **seed)

    def fit(self, train: Interactions) -> None:
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):  # as it asks for; it has threads of its own
            warnings.simplefilter("ignore")
            self.model = self.make()
            self.model.fit(csr_matrix(self.training.of(train).user_items()), show_progress=False)

    def best(self, histories: Histories) -> npt.NDArray[np.int32]:
        own = csr_matrix(self.history.of_histories(histories).matrix())
        seen = histories.get_seen_items()
        # what was seen is left out here: under a weight of 0 it would not count as liked
        most = min(N + int(np.diff(seen.indptr).max(initial=0)), seen.shape[1])
        with threadpool_limits(1, "blas"):
            items, scores = self.model.recommend(histories.user, own, N=most, filter_already_liked_items=False)
        silent = (scores == 0) | ~(scores > -1e38)
        wrong = silent | find_hits(items.astype(np.int32), seen)
        best = np.argsort(wrong, axis=1, kind="stable")[:, :N]
        return np.where(np.take_along_axis(wrong, best, axis=1), -1, np.take_along_axis(items, best, axis=1)).astype(
            np.int32
        )


def main() -> None:
    arguments = parse()
    train, test = read(arguments.train, with_kinds=True), read(arguments.test, with_kinds=False)
    split = make_split(train=train, test=test)
    inner = leave_last_item_out(split.train, kind=target_kind(split.train))
    tuning, final = Task.of(inner), Task.of(split)
    log(
        f"{split.train.n_users:,} people, {split.train.n_items:,} items, {len(split.train):,} events; "
        f"{len(tuning.histories):,} people to choose by, {len(final.histories):,} to be judged by"
    )
    compile_kernels()
    lines: dict[str, dict[str, Any]] = {}
    figures: dict[str, npt.NDArray[np.float64]] = {}
    chosen: dict[str, Algorithm] = {}
    for name in arguments.algorithms:
        lines[name], figures[name], contestant = measure(name, tuning, final, arguments)
        if isinstance(contestant, Ours):
            chosen[name] = contestant.model
    if len(chosen) > 1:
        lines["blend"], figures["blend"] = measure_blend(lines, chosen, tuning, final)
    own = [name for name in lines if name not in PEERS]
    best = max(own, key=lambda name: lines[name][f"validation_ndcg@{N}"])
    about = {
        "algorithm": best,
        "against": {name: against(figures[best], figures[name]) for name in rivals(lines, best)},
        "peak_mb": get_peak_mb(),
        "people": split.train.n_users,
        "items": split.train.n_items,
        "events": len(split.train),
        "processors": os.cpu_count(),
        "notes": f"chosen by ndcg@{N} on the newest {target_kind(split.train)} of each person in TRAIN, {arguments.budget:.0f} s of search "
        "each; TEST scored once each; against: differences to the best single one of ours and to implicit's best on TEST, paired "
        "bootstrap over people, 95 %; item numbers are not looked at: in such files they tell in which order people met the items",
    }
    print(json.dumps({**lines[best], **about, "algorithms": lines}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--algorithms", nargs="+", choices=sorted(SPACES), default=list(SPACES), metavar="NAME")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of search for each algorithm")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def read(path: Path, *, with_kinds: bool) -> Interactions:
    table = pq.read_table(path)
    wanted = ("user", "item", "behavior", "ts") if with_kinds else ("user", "item")
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise SystemExit(
            f"{path}: no column {missing[0]!r}; it wants {', '.join(wanted)}, there are {table.column_names}"
        )
    users, items = (table[name].to_numpy() for name in ("user", "item"))
    if not with_kinds:
        return Interactions.from_ids(user_ids=users, item_ids=items)
    behaviours = table["behavior"].combine_chunks().dictionary_encode()
    unknown = sorted(set(behaviours.dictionary.to_pylist()) - set(NAMES))
    if unknown:
        raise SystemExit(f"{path}: behavior {unknown[0]!r} is unknown; known are {', '.join(NAMES)}")
    codes = np.array([KIND_CODES[NAMES[name]] for name in behaviours.dictionary.to_pylist()], np.int8)
    return Interactions.from_ids(
        user_ids=users, item_ids=items, order=table["ts"].to_numpy(), kind=codes[behaviours.indices.to_numpy()]
    )


def target_kind(train: Interactions) -> str:
    """Purchases, or where there are none the rarest kind."""
    counts = np.bincount(train.kind, minlength=len(KINDS))
    if counts[KIND_CODES["purchase"]]:
        return "purchase"
    return min((kind for kind in KINDS if counts[KIND_CODES[kind]]), key=lambda kind: counts[KIND_CODES[kind]])


def space_of(name: str, train: Interactions) -> tuple[dict[str, Sequence[Any]], dict[str, Any]]:
    """Return the search space: weights and half-life for training and for the history, and the algorithm's own; and the start."""
    events = build_weight_space(train)
    history = {} if name == "popularity" else {HISTORY + key: values for key, values in events.items()}
    space = {**events, **history, **SPACES[name]}
    neutral = {key: None if key.endswith("half_life_days") else 1.0 for key in (*events, *history)}
    return space, {**STARTS.get(name, {}), **neutral}


def parts_of(parameters: Mapping[str, Any]) -> tuple[EventWeights, EventWeights, dict[str, Any]]:
    """Split parameters into the training weights, the history weights, and the rest for the algorithm."""
    training = {key: parameters[key] for key in PARAMETERS if key in parameters}
    history = {key: parameters[HISTORY + key] for key in PARAMETERS if HISTORY + key in parameters}
    taken = {*training, *(HISTORY + key for key in history)}
    rest = {key: value for key, value in parameters.items() if key not in taken}
    return parse_event_weights(training), parse_event_weights(history), rest


def made(name: str, parameters: Mapping[str, Any]) -> Ours | Theirs:
    return Theirs(name, parameters) if name in PEERS else Ours(name, parameters)


def measure(
    name: str, tuning: Task, final: Task, arguments: argparse.Namespace
) -> tuple[dict[str, Any], npt.NDArray[np.float64], Contestant]:
    """The line, the figures of each person, and the contestant as it was when it was chosen."""

    def evaluate(parameters: Mapping[str, Any]) -> float:
        contestant = made(name, parameters)
        contestant.fit(tuning.train)
        return tuning.value(contestant.best(tuning.histories))

    space, start = space_of(name, tuning.train)
    found = search_parameters(
        space=space, evaluate=evaluate, budget_s=arguments.budget, seed=arguments.seed, start=start
    )
    chosen, contestant = made(name, found.best.parameters), made(name, found.best.parameters)
    chosen.fit(tuning.train)
    begin = time.perf_counter()
    contestant.fit(final.train)
    line, figures = summarize(name, contestant, final, time.perf_counter() - begin, found.seconds, found.best.value)
    return line | {"tried": len(found.trials), "parameters": found.best.parameters}, figures, chosen


class Blended:
    def __init__(self, blend: WeightedEnsemble) -> None:
        self.model = blend

    def fit(self, train: Interactions) -> None:
        self.model.fit(train)

    def best(self, histories: Histories) -> npt.NDArray[np.int32]:
        return recommend(self.model, histories, N, exclude_seen=True, tie_seed=0).items


def measure_blend(
    lines: Mapping[str, dict[str, Any]], chosen: Mapping[str, Algorithm], tuning: Task, final: Task
) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
    """The few best of ours, weighted on the same purchases; and what is lost there without each."""
    begin = time.perf_counter()
    few = sorted(chosen, key=lambda name: -lines[name][f"validation_ndcg@{N}"])[:BLEND_OF]

    def weighed(names: Sequence[str]) -> Any:
        return tune_ensemble_weights(
            components={name: chosen[name] for name in names},
            histories=tuning.histories, relevant=tuning.relevant, exclude_seen=True, n=N,
        )  # fmt: skip

    found = weighed(few)
    weights = {name: weight for name, weight in found.weights.items() if weight > 0}
    tune_s = time.perf_counter() - begin
    without = {
        name: round(weighed([other for other in weights if other != name]).value, 4)
        for name in (weights if len(weights) > 1 else ())
    }
    described = {name: {"algorithm": "event-types", "parameters": chosen[name].parameters()} for name in weights}
    blend = Blended(WeightedEnsemble(described, weights))
    begin = time.perf_counter()
    blend.fit(final.train)
    line, figures = summarize("blend", blend, final, time.perf_counter() - begin, tune_s, found.value)
    return line | {"parameters": {"weights": weights}, f"validation_ndcg@{N}_without": without}, figures


def summarize(
    name: str, contestant: Contestant, final: Task, fit_s: float, tune_s: float, validation_value: float
) -> tuple[dict[str, Any], npt.NDArray[np.float64]]:
    begin = time.perf_counter()
    items = contestant.best(final.histories)
    recommend_s = time.perf_counter() - begin
    figures = final.figures(items)
    keys = [f"{metric}@{n}" for n in NS for metric in ("hr", "ndcg")]
    line: dict[str, Any] = {}
    for key, interval in zip(keys, estimate_intervals(figures, seed=0), strict=True):
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


def rivals(lines: Mapping[str, dict[str, Any]], best: str) -> list[str]:
    """On TEST the best single one of ours, and the best of implicit's."""
    groups = (
        [name for name in lines if name not in (*PEERS, best, "blend")],
        [name for name in lines if name in PEERS],
    )
    return [max(group, key=lambda name: lines[name][f"ndcg@{N}"]) for group in groups if group]


def against(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> dict[str, list[float]]:
    """Differences of the hit rate and ndcg at 10: [mean, low, high]."""
    found = estimate_intervals((one - other)[:, -2:], seed=0)
    return {
        f"{metric}@{N}": [round(interval.value, 4), round(interval.low, 4), round(interval.high, 4)]
        for metric, interval in zip(("hr", "ndcg"), found, strict=True)
    }


def compile_kernels() -> None:
    """Once an installation; not part of any figure."""
    tiny = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    for name in SPACES:
        if name in ALGORITHMS:
            recommend(ALGORITHMS[name]().fit(tiny), tiny.histories(), 2, exclude_seen=False)


if __name__ == "__main__":
    main()
