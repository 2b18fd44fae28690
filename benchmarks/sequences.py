"""Predicts each user's next item: the last item of each line is for the test, the one before it for validation; seen items aren't ranked.

A user whose item to predict occurs before in the line counts as a miss for every algorithm, as no list can contain it; `seen_before` is
their number.

With --repeats users may buy items again: order lines keep all purchases, seen items are ranked too, and `repeat`, each user's most
bought items, is among the algorithms. Items of one order are in the order of the file: which item of the last basket is the last one
is arbitrary, and the others belong to the history.

FILE has lines "user item item …", oldest first, or is a Parquet file of order lines with Online Retail's columns. Parameters of each
algorithm, ours and `implicit`'s, and the weights of the blend are tuned on validation only; `implicit`'s together get as many seconds as
ours together. Then each is fitted again on all items but the last and evaluated once on the test. The headline is our best algorithm on
validation. Published tables mostly have neither attributes nor the second fit: `not_refitted` has the headline's figures without that fit,
`ids_only` those of the best algorithm tuned and fitted without attributes, and `ids_only.not_refitted` those with neither.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.neighbours import get_peak_mb, log
from benchmarks.ranking_models import IMPLICIT_MODELS, ImplicitModel, PerennialModel, RankingTask
from benchmarks.sequence_files import Sequences, read_sequences
from recommendations.engine import ALGORITHMS, Interactions, Products, recommend
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.evaluation import estimate_intervals, leave_last_out
from recommendations.engine.evaluation.bootstrap import UNIT
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.tuning.ensemble_weights import choose_weights
from recommendations.engine.tuning.parameter_search import search_parameters

N = 10
NS = (5, N)
FIGURES = tuple(f"{metric}@{n}" for n in NS for metric in ("hr", "ndcg"))
BLEND_PEOPLE = 5_000
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
    "session-knn": {
        "trend": (0.0, 0.3, 0.6, 0.9, 1.3),
        "damping": (0.0, 0.1, 0.2, 0.3, 0.4),
        "match_damping": (0.0, 0.25, 0.5, 0.75, 1.0),
        "decay": (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0),
        "reach": (0.3, 0.5, 0.7, 0.8, 0.9, 1.0),
        "length_damping": (0.0, 0.3, 0.5, 0.7, 1.0),
        "back": (0.0, 0.2, 0.5, 0.8, 1.0),
        "k": (100, 200, 500, 1000, 2000),
        "newest": (250, 1000, 5000),
        "trend_half_life_days": (1.0, 3.0, 10.0, 30.0, 90.0),
    },
    "transition-walk": {
        "recency": (0.2, 0.4, 0.6, 0.7, 0.8, 0.9),
        "branches": (10, 30, 100, 200),
        "reach": (1, 2, 5, 10, 20, 40),
        "backward": (0.1, 0.3, 0.5, 0.7, 1.0),
        "source_damping": (0.0, 0.3, 0.5, 0.7),
        "target_damping": (0.0, 0.1, 0.2, 0.3, 0.5),
        "decay": (0.6, 0.7, 0.8, 0.9, 1.0),
        "smoothing": (3.0, 10.0, 30.0),
    },
    "graph-filter": {
        "half_life_days": HALF_LIVES,
        "power": (0.6, 0.8, 1.0, 1.2, 1.4),
        "item_exponent": (0.2, 0.3, 0.4, 0.5, 0.6),
        "user_exponent": (0.2, 0.3, 0.5, 0.7, 0.9),
        "target_exponent": (-0.2, -0.1, 0.0, 0.1, 0.2),
        "k": (100, 300, 1000),
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
    "session-knn": {
        "k": 500, "decay": 0.5, "back": 0.5, "reach": 0.8, "damping": 0.1, "length_damping": 0.3, "match_damping": 0.25, "newest": 1000,
        "trend": 0.3, "trend_half_life_days": 3.0,
    },
    "transition-walk": {
        "recency": 0.6, "branches": 30, "reach": 20, "backward": 0.5, "source_damping": 0.5, "target_damping": 0.3, "decay": 0.8,
        "smoothing": 10.0,
    },
    "graph-filter": {
        "half_life_days": 4.0, "power": 1.0, "item_exponent": 0.5, "user_exponent": 0.5, "target_exponent": 0.0, "k": 300,
    },
    "content": {"half_life_days": None, "max_share": 0.3, "history_weighting": "log"},
    "popularity": {"half_life_days": None},
    "repeat": {"half_life_days": None},
    "implicit-bm25": {"K": 100, "B": 0.2, "K1": 1.2},
    "implicit-als": {"alpha": 3.0, "regularization": 0.1, "factors": 128},
}  # fmt: skip
PEERS = tuple(IMPLICIT_MODELS)
SHARE_OF_BUDGET = {
    "transitions": 0.4,
    "session-knn": 0.3,
    "item-knn": 0.06,
    "user-knn": 0.06,
    "transition-walk": 0.06,
    "graph-filter": 0.05,
    "content": 0.04,
    "popularity": 0.01,
    "repeat": 0.02,
}
CONTENT_PARAMETERS = ("similarity_weight", "substitutes", "max_share")  # of transitions
VARIANT_PARAMETERS: dict[str, dict[str, Any]] = {
    "transitions without similarity": {"similarity_weight": 0.0},
    "transitions without substitutes": {"substitutes": 0.0},
    "transitions without trend": {"trend": 0.0},
    "transitions without content": {"similarity_weight": 0.0, "substitutes": 0.0},
    "transitions without backward": {"backward": 0.0},
    "transitions, neighbors only": {"reach": 1},
}


class Task(RankingTask):
    """The training data, the histories to recommend for, and the relevant items that came next."""

    def compute_figures(self, items: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """Return the metrics named in FIGURES, 0 for users without a relevant item; shape (users, 4)."""
        hits, counts = find_hits(items, self.relevant), np.diff(self.relevant.indptr)
        figures = np.column_stack([metric(hits[:, :n], counts) for n in NS for metric in (hit_rate, ndcg)])
        return np.nan_to_num(figures, nan=0.0)

    def compute_value(self, items: npt.NDArray[np.int32]) -> float:
        """Return the mean of the last metric of FIGURES, NDCG@10."""
        return float(self.compute_figures(items)[:, -1].mean())

    def count_users_without_relevant_item(self) -> int:
        return int((np.diff(self.relevant.indptr) == 0).sum())


type Model = PerennialModel | ImplicitModel


class Comparison:
    """Tunes and evaluates every algorithm on one data set, with the attributes of products or without them."""

    def __init__(self, sequences: Sequences, products: Products | None, arguments: argparse.Namespace) -> None:
        self.products, self.arguments = products, arguments
        self.exclude_seen = not arguments.repeats
        self.validation = leave_last_out(sequences.interactions, last=2)
        self.search_task = Task.of_split(
            self.validation, exclude_seen=self.exclude_seen, max_users=arguments.people, seed=arguments.seed
        )
        self.validation_task = Task.of_split(self.validation, exclude_seen=self.exclude_seen)
        self.test_task = Task.of_split(leave_last_out(sequences.interactions), exclude_seen=self.exclude_seen)

    def list_own_algorithms(self) -> list[str]:
        applicable = {"content": self.products is not None, "repeat": self.arguments.repeats}
        return [name for name in SPACES if name in ALGORITHMS and applicable.get(name, True)]

    def get_space(self, name: str) -> dict[str, Sequence[Any]]:
        """Return the candidates of each parameter, without those that do nothing without attributes."""
        if self.products is not None:
            return SPACES[name]
        return {key: values for key, values in SPACES[name].items() if key not in CONTENT_PARAMETERS}

    def make_model(self, name: str, parameters: Mapping[str, Any]) -> Model:
        return (
            ImplicitModel(name, parameters, n=N)
            if name in PEERS
            else PerennialModel(ALGORITHMS[name](**parameters), self.products, n=N)
        )

    def tune(self, name: str, budget_s: float) -> dict[str, Any]:
        """Search the parameters of one algorithm, and evaluate them on the whole validation data."""

        def evaluate(parameters: dict[str, Any]) -> float:
            model = self.make_model(name, parameters)
            model.fit(self.search_task.train)
            return self.search_task.compute_value(model.recommend_items(self.search_task))

        search = search_parameters(
            space=self.get_space(name),
            evaluate=evaluate,
            budget_s=budget_s,
            seed=self.arguments.seed,
            start=STARTS.get(name),
        )
        parameters = search.best.parameters
        validation = self.evaluate_on_validation(self.make_model(name, parameters))
        log(f"{name}: {validation} on validation, {len(search.trials)} tried in {search.seconds:.0f} s, {parameters}")
        return {
            "parameters": parameters,
            "tried": len(search.trials),
            "tune_s": round(search.seconds, 1),
            f"validation_ndcg@{N}": validation,
        }

    def evaluate_on_validation(self, model: Model) -> float:
        model.fit(self.validation.train)
        return round(self.validation_task.compute_value(model.recommend_items(self.validation_task)), 5)

    def tune_own(self) -> dict[str, dict[str, Any]]:
        """Tune all our algorithms, then the blend of them."""
        budget_s = self.arguments.budget
        tuned = {name: self.tune(name, budget_s * SHARE_OF_BUDGET[name]) for name in self.list_own_algorithms()}
        return tuned | {"blend": self.tune_blend(tuned)}

    def tune_peers(self, budget_s: float) -> dict[str, dict[str, Any]]:
        """Tune implicit's models within as many seconds as ours took; what one does not need is left to the later ones."""
        tuned: dict[str, dict[str, Any]] = {}
        names = sorted(PEERS, key=lambda name: len(SPACES[name]))  # those of a single parameter end early
        for index, name in enumerate(names):
            left_s = max(budget_s - sum_tune_seconds(tuned), 0.0)
            tuned[name] = self.tune(name, left_s / (len(names) - index))
        return tuned

    def tune_blend(self, tuned: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """Tune the weights of all our algorithms together, and leave out those with the weight 0."""
        started = time.perf_counter()
        described = {
            name: {"algorithm": name, "parameters": ALGORITHMS[name](**tuned[name]["parameters"]).get_parameters()}
            for name in tuned
        }
        fitted = {name: self.make_model(name, tuned[name]["parameters"]) for name in described}
        for model in fitted.values():
            model.fit(self.validation.train)
        tuned_weights = choose_weights(
            components={name: model.model for name, model in fitted.items() if isinstance(model, PerennialModel)},
            train=self.validation.train,
            validation=self.validation.test,
            exclude_seen=self.exclude_seen,
            seed=self.arguments.seed,
            n=N,
            max_users=min(self.arguments.people, BLEND_PEOPLE),
            depth=50,
        )
        weights = {name: weight for name, weight in tuned_weights.weights.items() if weight > 0}
        parameters: dict[str, Any] = {"components": {name: described[name] for name in weights}, "weights": weights}
        seconds = time.perf_counter() - started
        validation = self.evaluate_on_validation(PerennialModel(WeightedEnsemble(**parameters), self.products, n=N))
        log(f"blend: {validation} on validation, weights in {seconds:.0f} s, {weights}")
        return {
            "parameters": parameters,
            "tried": None,
            "tune_s": round(seconds, 1),
            f"validation_ndcg@{N}": validation,
        }

    def evaluate_on_test(self, name: str, tuned: dict[str, Any]) -> dict[str, Any]:
        """Fit on all items but the last and evaluate on it; this is the only use of the test data."""
        model = self.make_model(name, tuned["parameters"])
        fit_s = measure_seconds(lambda: model.fit(self.test_task.train))
        started = time.perf_counter()
        items = model.recommend_items(self.test_task)
        recommend_s = time.perf_counter() - started
        line = summarize(self.test_task.compute_figures(items)) | {
            "fit_s": round(fit_s, 2),
            "recommend_s": round(recommend_s, 2),
        }
        log(f"{name}: {json.dumps(line)}")
        return line | tuned

    def score_without_refit(self, name: str, tuned: dict[str, Any]) -> dict[str, float]:
        model = self.make_model(name, tuned["parameters"])
        model.fit(self.validation.train)
        return summarize(self.test_task.compute_figures(model.recommend_items(self.test_task)))

    def compute_ablation(self, tuned: Mapping[str, dict[str, Any]]) -> dict[str, float]:
        """Return NDCG@10 on validation without one component each, with all other parameters unchanged."""
        scores = {}
        blend = tuned["blend"]["parameters"]
        for left_out in blend["weights"]:
            rest: dict[str, Any] = {
                key: {name: value for name, value in blend[key].items() if name != left_out}
                for key in ("components", "weights")
            }
            if rest["weights"]:
                scores[f"blend without {left_out}"] = self.evaluate_on_validation(
                    PerennialModel(WeightedEnsemble(**rest), self.products, n=N)
                )
        for variant, changed in VARIANT_PARAMETERS.items():
            if self.products is None and set(changed) & set(CONTENT_PARAMETERS):
                continue
            parameters = {**tuned["transitions"]["parameters"], **changed}
            scores[variant] = self.evaluate_on_validation(self.make_model("transitions", parameters))
        return scores


def main() -> None:
    arguments = parse()
    sequences = read_sequences(arguments.file, arguments.attributes, repeats=arguments.repeats)
    log(
        f"{sequences.interactions.n_users:,} people, {sequences.interactions.n_items:,} items, {len(sequences.interactions):,} steps"
    )
    compile_kernels(sequences.products is not None)
    comparison = Comparison(sequences, sequences.products, arguments)
    own = comparison.tune_own()
    tuned = own | comparison.tune_peers(sum_tune_seconds(own))
    best = find_best(own)
    lines = {name: comparison.evaluate_on_test(name, tuned[name]) for name in tuned}
    not_refitted = comparison.score_without_refit(best, own[best])
    print(
        json.dumps(
            {
                **lines[best],
                "algorithm": best,
                "tune_s": sum_tune_seconds(own),
                "peers_tune_s": sum_tune_seconds({name: tuned[name] for name in PEERS}),
                "not_refitted": not_refitted,
                "ids_only": (
                    {**lines[best], "algorithm": best, "not_refitted": not_refitted}
                    if sequences.products is None
                    else compare_without_attributes(sequences, arguments)
                ),
                "ablation": comparison.compute_ablation(own),
                "algorithms": lines,
                "people": len(comparison.test_task.histories),
                "seen_before": comparison.test_task.count_users_without_relevant_item(),
                "items": sequences.interactions.n_items,
                "steps": len(sequences.interactions),
                "repeats": arguments.repeats,
                "processors": os.cpu_count(),
                "peak_mb": get_peak_mb(),
                "notes": "tune_s: all our algorithms and the weights of the blend; peers_tune_s: all of implicit's; peak_mb: the whole run, "
                "with implicit's models; hr and ndcg are on the test, ablation and the others on validation; each model is fitted on all "
                "items but the last; users in seen_before count as misses",
            }
        )
    )


def compare_without_attributes(sequences: Sequences, arguments: argparse.Namespace) -> dict[str, Any]:
    """Tune, fit and evaluate our algorithms once more, without attributes of products."""
    comparison = Comparison(sequences, None, arguments)
    tuned = comparison.tune_own()
    best = find_best(tuned)
    return {
        **comparison.evaluate_on_test(best, tuned[best]),
        "algorithm": best,
        "tune_s": sum_tune_seconds(tuned),
        "not_refitted": comparison.score_without_refit(best, tuned[best]),
    }


def find_best(tuned: Mapping[str, dict[str, Any]]) -> str:
    """Return the algorithm that is best on validation."""
    return max(tuned, key=lambda name: float(tuned[name][f"validation_ndcg@{N}"]))


def sum_tune_seconds(tuned: Mapping[str, dict[str, Any]]) -> float:
    return round(sum(line["tune_s"] for line in tuned.values()), 1)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--attributes", type=Path, help="JSON: item → list of values")
    parser.add_argument("--repeats", action="store_true", help="people may buy items again")
    parser.add_argument("--budget", type=float, default=100.0, help="seconds of search for all our algorithms together")
    parser.add_argument("--people", type=int, default=10_000, help="maximum number of users evaluated in a search")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def summarize(figures: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the means with the bounds of their 95% intervals."""
    intervals = zip(FIGURES, estimate_intervals(figures, seed=0, bounds=UNIT), strict=True)
    return {
        f"{name}{end}": round(value, 5)
        for name, interval in intervals
        for end, value in (("", interval.value), ("_low", interval.low), ("_high", interval.high))
    }


def compile_kernels(with_products: bool) -> None:
    """Compile the kernels in advance, so that no measured time contains it; numba caches them per installation."""
    tiny = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    products = Products.of_columns({"attributes": ["one", "two"]}) if with_products else None
    for name in SPACES:
        if name in ALGORITHMS and (name != "content" or with_products):
            recommend(ALGORITHMS[name]().fit(tiny, products), tiny.build_histories(), 2, exclude_seen=False, tie_seed=0)


def measure_seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
