"""The next item of all users: the last item of each line is test, the one before it validation, full ranking without what was seen.

With --repeats users may buy the same again: order lines keep all purchases, nothing seen is left out of the ranking, and `repeat`,
what each person bought most, is among the contestants. Items of one order have no order among themselves but that of the file: which
of the last basket is the last item is arbitrary, and the rest of it belongs to the history.

FILE holds lines "user item item …", oldest first, or is a parquet of order lines with Online Retail's columns. Parameters of each
algorithm, ours and `implicit`'s, and the weights of the blend are chosen on validation only. Then each is fitted anew on all
but the last item and scored on test once; `not_refitted` tells what the headline reaches without that, fitted on what it was
chosen with, as most published tables do it. The headline is the one of ours that is best on validation.
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
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.neighbours import get_peak_mb, log
from benchmarks.sequence_files import Sequences, read_sequences
from recommendations.engine import ALGORITHMS, Algorithm, Histories, Interactions, Products, recommend
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.evaluation import Split, estimate_intervals, leave_last_out
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.runner import find_relevant_items
from recommendations.engine.tuning.ensemble_weights import choose_weights
from recommendations.engine.tuning.parameter_search import search_parameters

N = 10
NS = (5, N)
FIGURES = tuple(f"{metric}@{n}" for n in NS for metric in ("hr", "ndcg"))
BLEND_PEOPLE = 3_000
HALF_LIVES = (1.0, 2.0, 4.0, 8.0, 20.0, 50.0, 120.0, None)
SPACES: dict[str, dict[str, Sequence[Any]]] = {
    "transitions": {
        "similarity_weight": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0),
        "trend": (0.0, 0.3, 0.6, 0.9, 1.3, 1.8),
        "recency": (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        "reach": (1, 2, 5, 10, 20, 40),
        "backward": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
        "decay": (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0),
        "source_damping": (0.0, 0.15, 0.3, 0.5, 0.7, 0.9),
        "target_damping": (0.0, 0.05, 0.1, 0.2, 0.3, 0.4),
        "length_damping": (0.0, 0.25, 0.5, 1.0),
        "substitutes": (0.0, 1.0, 2.0, 4.0, 8.0, 16.0),
        "smoothing": (3.0, 10.0, 30.0, 100.0),
        "trend_half_life_days": (1.0, 3.0, 10.0, 30.0, 90.0),
        "max_share": (0.3, 1.0),
        "half_life_days": HALF_LIVES,
    },
    "item-knn": {
        "history_half_life_days": HALF_LIVES,
        "weighting": ("binary", "tf-idf", "bm25"),
        "k": (50, 100, 200, 400),
        "shrinkage": (0.0, 5.0, 20.0, 50.0),
    },
    "user-knn": {
        "half_life_days": HALF_LIVES,
        "idf": (False, True),
        "k": (50, 100, 200, 400),
        "shrinkage": (0.0, 1.0, 5.0),
        "weighting": ("raw", "log"),
    },
    "content": {"half_life_days": HALF_LIVES, "max_share": (0.1, 0.3, 1.0), "history_weighting": ("raw", "log")},
    "popularity": {"half_life_days": HALF_LIVES},
    "repeat": {"half_life_days": HALF_LIVES},
    "implicit-bm25": {"K": (20, 50, 100, 200, 400), "B": (0.0, 0.2, 0.5, 0.8), "K1": (0.5, 1.2, 3.0, 100.0)},
    "implicit-tfidf": {"K": (20, 50, 100, 200, 400)},
    "implicit-cosine": {"K": (20, 50, 100, 200, 400)},
    "implicit-als": {
        "alpha": (1.0, 3.0, 10.0, 40.0),
        "regularization": (0.01, 0.1, 1.0, 10.0),
        "factors": (32, 64, 128),
    },
}
STARTS: dict[str, dict[str, Any]] = {
    "transitions": {
        "similarity_weight": 1.0, "trend": 0.3, "recency": 0.5, "backward": 0.3, "decay": 0.9, "source_damping": 0.3, "target_damping": 0.1,
        "length_damping": 0.5, "substitutes": 1.0, "smoothing": 10.0, "reach": 20, "trend_half_life_days": 3.0, "half_life_days": None,
    },
    "item-knn": {"history_half_life_days": None, "weighting": "bm25", "k": 200, "shrinkage": 0.0},
    "user-knn": {"half_life_days": None, "idf": True, "k": 200, "shrinkage": 0.0, "weighting": "log"},
    "content": {"half_life_days": None, "max_share": 0.3, "history_weighting": "log"},
    "popularity": {"half_life_days": None},
    "repeat": {"half_life_days": None},
    "implicit-bm25": {"K": 100, "B": 0.2, "K1": 1.2},
    "implicit-als": {"alpha": 3.0, "regularization": 0.1, "factors": 128},
}  # fmt: skip
PEERS: dict[str, type] = {
    "implicit-bm25": BM25Recommender,
    "implicit-tfidf": TFIDFRecommender,
    "implicit-cosine": CosineRecommender,
    "implicit-als": AlternatingLeastSquares,
}
SHARE_OF_BUDGET = {
    "transitions": 0.6,
    "item-knn": 0.1,
    "user-knn": 0.1,
    "content": 0.05,
    "popularity": 0.02,
    "repeat": 0.05,
}
PEER_SHARE = 0.1
PARTS: dict[str, dict[str, Any]] = {
    "transitions without similarity": {"similarity_weight": 0.0},
    "transitions without substitutes": {"substitutes": 0.0},
    "transitions without trend": {"trend": 0.0},
    "transitions without content": {"similarity_weight": 0.0, "substitutes": 0.0},
    "transitions without backward": {"backward": 0.0},
    "transitions, neighbors only": {"reach": 1},
}


@dataclass(frozen=True, eq=False)
class Task:
    """Rank for these histories, and be judged by what came next."""

    train: Interactions
    histories: Histories
    relevant: csr_array
    exclude_seen: bool

    @classmethod
    def of(cls, split: Split, *, exclude_seen: bool, people: int | None = None, seed: int = 0) -> "Task":
        users = np.unique(split.test.user)
        if people is not None and len(users) > people:
            users = np.sort(np.random.default_rng(seed).choice(users, people, replace=False))
        relevant = find_relevant_items(split.test, split.train, users, exclude_seen=exclude_seen)
        return cls(split.train, split.train.histories(users), relevant, exclude_seen)

    def figures(self, items: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """(users, 4): what FIGURES names."""
        hits, counts = find_hits(items, self.relevant), np.diff(self.relevant.indptr)
        return np.column_stack([metric(hits[:, :n], counts) for n in NS for metric in (hit_rate, ndcg)])

    def value(self, items: npt.NDArray[np.int32]) -> float:
        """Mean of the last of FIGURES, ndcg@10."""
        return float(np.nanmean(self.figures(items)[:, -1]))


class Ours:
    def __init__(self, model: Algorithm, products: Products | None) -> None:
        self.model, self.products = model, products

    def fit(self, train: Interactions) -> None:
        self.model.fit(train, self.products)

    def best(self, task: Task) -> npt.NDArray[np.int32]:
        return recommend(self.model, task.histories, N, exclude_seen=task.exclude_seen, tie_seed=0).items


class Theirs:
    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        seed = {"random_state": 0} if name == "implicit-als" else {}
        self.make = lambda: PEERS[name](**parameters, **seed)

    def fit(self, train: Interactions) -> None:
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):  # as it asks for; it has threads of its own
            warnings.simplefilter("ignore")
            self.model = self.make()
            self.model.fit(csr_matrix(train.user_items()), show_progress=False)

    def best(self, task: Task) -> npt.NDArray[np.int32]:
        users, own = task.histories.user, csr_matrix(task.histories.matrix())
        items, scores = self.model.recommend(users, own, N=N, filter_already_liked_items=task.exclude_seen)
        return np.where(np.isfinite(scores) & (scores > -1e38), items, -1).astype(np.int32)


type Contestant = Ours | Theirs


class Contest:
    """One data set, and what every contestant is put through."""

    def __init__(self, sequences: Sequences, arguments: argparse.Namespace) -> None:
        self.products, self.arguments = sequences.products, arguments
        self.exclude_seen = not arguments.repeats
        self.validation = leave_last_out(sequences.interactions, last=2)
        self.search_task = Task.of(
            self.validation, exclude_seen=self.exclude_seen, people=arguments.people, seed=arguments.seed
        )
        self.validation_task = Task.of(self.validation, exclude_seen=self.exclude_seen)
        self.test_task = Task.of(leave_last_out(sequences.interactions), exclude_seen=self.exclude_seen)

    def make(self, name: str, parameters: Mapping[str, Any]) -> Contestant:
        return Theirs(name, parameters) if name in PEERS else Ours(ALGORITHMS[name](**parameters), self.products)

    def tune(self, name: str) -> dict[str, Any]:
        """Parameters of one algorithm by search, and what they reach on the whole validation part."""

        def evaluate(parameters: dict[str, Any]) -> float:
            contestant = self.make(name, parameters)
            contestant.fit(self.search_task.train)
            return self.search_task.value(contestant.best(self.search_task))

        budget = self.arguments.budget * SHARE_OF_BUDGET.get(name, PEER_SHARE)
        found = search_parameters(
            space=SPACES[name], evaluate=evaluate, budget_s=budget, seed=self.arguments.seed, start=STARTS.get(name)
        )
        parameters = found.best.parameters
        validation = self.on_validation(self.make(name, parameters))
        log(f"{name}: {validation} on validation, {len(found.trials)} tried in {found.seconds:.0f} s, {parameters}")
        return {
            "parameters": parameters,
            "tried": len(found.trials),
            "tune_s": round(found.seconds, 1),
            f"validation_ndcg@{N}": validation,
        }

    def on_validation(self, contestant: Contestant) -> float:
        contestant.fit(self.validation.train)
        return round(self.validation_task.value(contestant.best(self.validation_task)), 5)

    def tune_blend(self, tuned: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """The weights of all of ours together; those that get none are left out."""
        start = time.perf_counter()
        described = {
            name: {"algorithm": name, "parameters": ALGORITHMS[name](**tuned[name]["parameters"]).parameters()}
            for name in tuned
            if name in ALGORITHMS
        }
        fitted = {name: self.make(name, tuned[name]["parameters"]) for name in described}
        for contestant in fitted.values():
            contestant.fit(self.validation.train)
        chosen = choose_weights(
            components={name: contestant.model for name, contestant in fitted.items() if isinstance(contestant, Ours)},
            train=self.validation.train,
            validation=self.validation.test,
            exclude_seen=self.exclude_seen,
            seed=self.arguments.seed,
            n=N,
            people=min(self.arguments.people, BLEND_PEOPLE),
            depth=50,
        )
        weights = {name: weight for name, weight in chosen.weights.items() if weight > 0}
        parameters: dict[str, Any] = {"components": {name: described[name] for name in weights}, "weights": weights}
        seconds = time.perf_counter() - start
        validation = self.on_validation(Ours(WeightedEnsemble(**parameters), self.products))
        log(f"blend: {validation} on validation, weights in {seconds:.0f} s, {weights}")
        return {
            "parameters": parameters,
            "tried": None,
            "tune_s": round(seconds, 1),
            f"validation_ndcg@{N}": validation,
        }

    def score(self, name: str, tuned: dict[str, Any]) -> dict[str, Any]:
        """Fitted on all but the last item, judged by it: the only look at test."""
        contestant = self.make(name, tuned["parameters"])
        fit_s = seconds_of(lambda: contestant.fit(self.test_task.train))
        start = time.perf_counter()
        items = contestant.best(self.test_task)
        recommend_s = time.perf_counter() - start
        line = summarize(self.test_task.figures(items)) | {
            "fit_s": round(fit_s, 2),
            "recommend_s": round(recommend_s, 2),
        }
        log(f"{name}: {json.dumps(line)}")
        return line | tuned

    def not_refitted(self, name: str, tuned: dict[str, Any]) -> dict[str, float]:
        contestant = self.make(name, tuned["parameters"])
        contestant.fit(self.validation.train)
        return summarize(self.test_task.figures(contestant.best(self.test_task)))

    def ablation(self, tuned: Mapping[str, dict[str, Any]]) -> dict[str, float]:
        """ndcg@10 on validation without one part each; the rest stays as it was chosen."""
        found = {}
        blend = tuned["blend"]["parameters"]
        for left_out in blend["weights"]:
            rest: dict[str, Any] = {
                part: {name: value for name, value in blend[part].items() if name != left_out}
                for part in ("components", "weights")
            }
            if rest["weights"]:
                found[f"blend without {left_out}"] = self.on_validation(Ours(WeightedEnsemble(**rest), self.products))
        for part, changed in PARTS.items():
            parameters = {**tuned["transitions"]["parameters"], **changed}
            found[part] = self.on_validation(self.make("transitions", parameters))
        return found


def main() -> None:
    arguments = parse()
    sequences = read_sequences(arguments.file, arguments.attributes, repeats=arguments.repeats)
    log(
        f"{sequences.interactions.n_users:,} people, {sequences.interactions.n_items:,} items, {len(sequences.interactions):,} steps"
    )
    compile_kernels(sequences.products is not None)
    contest = Contest(sequences, arguments)
    wanted = {"content": sequences.products is not None, "repeat": arguments.repeats}
    names = [name for name in SPACES if wanted.get(name, True)]
    tuned = {name: contest.tune(name) for name in names}
    tuned["blend"] = contest.tune_blend(tuned)
    own = [name for name in tuned if name not in PEERS]
    best = max(own, key=lambda name: tuned[name][f"validation_ndcg@{N}"])
    lines = {name: contest.score(name, tuned[name]) for name in tuned}
    tune_s = round(sum(tuned[name]["tune_s"] for name in own), 1)
    print(
        json.dumps(
            {
                **lines[best],
                "algorithm": best,
                "tune_s": tune_s,
                "peak_mb": get_peak_mb(),
                "not_refitted": contest.not_refitted(best, tuned[best]),
                "ablation": contest.ablation(tuned),
                "algorithms": lines,
                "people": len(contest.test_task.histories),
                "items": sequences.interactions.n_items,
                "steps": len(sequences.interactions),
                "repeats": arguments.repeats,
                "processors": os.cpu_count(),
                "notes": "tune_s is of all of ours together, the blend's weights among them; peak_mb of the whole run, implicit's models "
                "too; hr and ndcg on test, all else, ablation too, on validation; each contestant is fitted on all but the last item",
            }
        )
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--attributes", type=Path, help="JSON: item → list of values")
    parser.add_argument("--repeats", action="store_true", help="people may buy the same again")
    parser.add_argument("--budget", type=float, default=100.0, help="seconds of search for all of ours together")
    parser.add_argument("--people", type=int, default=10_000, help="at most so many are judged while searching")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def summarize(figures: npt.NDArray[np.float64]) -> dict[str, float]:
    """Means with the ends of their 95 % intervals."""
    found = zip(FIGURES, estimate_intervals(figures, seed=0), strict=True)
    return {
        f"{name}{end}": round(value, 5)
        for name, interval in found
        for end, value in (("", interval.value), ("_low", interval.low), ("_high", interval.high))
    }


def compile_kernels(with_products: bool) -> None:
    """Once an installation; not part of any figure."""
    tiny = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    products = Products.of_columns({"attributes": ["one", "two"]}) if with_products else None
    for name in SPACES:
        if name in ALGORITHMS and (name != "content" or with_products):
            recommend(ALGORITHMS[name]().fit(tiny, products), tiny.histories(), 2, exclude_seen=False, tie_seed=0)


def seconds_of(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
