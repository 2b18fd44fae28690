"""Ratings: FILE (see benchmarks.rating_files) is split into k folds, and every rating is predicted once by models not trained on it.

Parameters of each algorithm are tuned by RMSE on a fifth of the first fold's training data, within --budget seconds each, and the
weights of the blend by least squares on the same fifth; then they apply to all folds. Lists rank all items that are not rated in the
training data; ratings of 4 and more are relevant. The headline is the best on validation. Each person's mean and the baseline are floors.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.neighbours import get_peak_mb, log
from benchmarks.rating_files import read_ratings
from recommendations.engine import ALGORITHMS, Algorithm, Histories, Interactions, NothingToLearnError
from recommendations.engine.algorithms.base import Scores
from recommendations.engine.evaluation import (
    RatingFigures,
    Split,
    estimate_intervals,
    evaluate_ratings,
    make_rating_folds,
)
from recommendations.engine.evaluation.bootstrap import UNIT
from recommendations.engine.evaluation.rating_metrics.mae import mae
from recommendations.engine.evaluation.rating_metrics.rmse import rmse
from recommendations.engine.ratings.weighted_ensemble import EnsembleFit, RatingEnsemble, fit_least_squares
from recommendations.engine.tuning.parameter_search import search_parameters

N = 10
SHRINKAGES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
SPACES: dict[str, dict[str, Sequence[Any]]] = {
    "rating-baseline": {"user_shrinkage": SHRINKAGES, "item_shrinkage": SHRINKAGES},
    "rating-user-knn": {
        "center": ("mean", "baseline"),
        "similarity": ("cosine", "pearson", "pearson-baseline"),
        "k": (20, 40, 60, 100, 200),
        "shrinkage": (0.0, 10.0, 30.0, 100.0, 300.0),
        "damping": (0.0, 0.1, 0.3, 1.0),
    },
    "rating-item-knn": {
        "similarity": ("pearson", "pearson-baseline"),
        "k": (20, 40, 60, 100),
        "shrinkage": (10.0, 30.0, 100.0, 300.0, 1000.0),
        "damping": (0.0, 0.03, 0.1, 0.3, 1.0),
    },
    "rating-factors": {
        "regularization": (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0),
        "epochs": (10, 20, 40, 80),
        "factors": (8, 16, 32, 64),
        "implicit": (False, True),
        "frequency_exponent": (0.5, 0.75, 1.0),
        "bias_regularization": (0.02, 0.1, 0.3),
        "learning_rate": (0.005, 0.01, 0.02),
    },
    "rating-bpmf": {"factors": (4, 8, 12, 16, 24, 32), "implicit": (True, False)},
}
STARTS: dict[str, dict[str, Any]] = {
    "rating-baseline": {"user_shrinkage": 5.0, "item_shrinkage": 2.0},
    "rating-user-knn": {
        "center": "baseline", "similarity": "pearson-baseline", "k": 60, "shrinkage": 100.0, "damping": 0.3,
    },
    "rating-item-knn": {"similarity": "pearson-baseline", "k": 40, "shrinkage": 100.0, "damping": 0.0},
    "rating-factors": {
        "regularization": 1.0, "epochs": 40, "factors": 32, "implicit": True, "frequency_exponent": 0.5,
        "bias_regularization": 0.1, "learning_rate": 0.01,
    },
    "rating-bpmf": {"factors": 12, "implicit": True},
}  # fmt: skip
SHARE_OF_BUDGET = {
    "rating-baseline": 0.2, "rating-user-knn": 1.0, "rating-item-knn": 1.0, "rating-factors": 2.0, "rating-bpmf": 3.0,
}  # fmt: skip


class UserMean:
    """The floor: no item has a score, so `evaluate_ratings` predicts the user's mean rating."""

    def score(self, histories: Histories) -> Scores:
        return np.full((len(histories), histories.n_items), -np.inf, np.float32)


def main() -> None:
    arguments = parse()
    started = time.perf_counter()
    ratings = read_ratings(arguments.file)
    folds = make_rating_folds(ratings, folds=arguments.folds, seed=arguments.seed)
    validation = make_rating_folds(folds[0].train, folds=5, seed=arguments.seed + 1)[0]
    log(f"{len(ratings):,} ratings of {ratings.n_users:,} people for {ratings.n_items:,} items")
    compile_kernels()
    parameters_by_name, blend, lines = tune_algorithms(validation, arguments)
    figures: dict[str, list[RatingFigures]] = {
        name: [] for name in (*parameters_by_name, "rating-blend", "person-mean")
    }
    spent: dict[str, float] = dict.fromkeys(figures, 0.0)
    for number, fold in enumerate(folds, 1):
        models = {}
        for name, parameters in parameters_by_name.items():
            fit_started = time.perf_counter()
            models[name] = ALGORITHMS[name](**parameters).fit(fold.train)
            spent[name] += time.perf_counter() - fit_started
        fold_models: dict[str, Algorithm | UserMean] = {
            **models,
            "rating-blend": build_blend(models, blend, fold.train),
            "person-mean": UserMean(),
        }
        for name, model in fold_models.items():
            figures[name].append(evaluate_ratings(model.score, fold, n=N, seed=arguments.seed))
        log(
            f"fold {number}: "
            + ", ".join(f"{name} {fold_figures[-1].rmse:.4f}" for name, fold_figures in figures.items())
        )
    for name, fold_figures in figures.items():
        lines[name] = summarize(fold_figures) | {"fit_s": round(spent[name] / len(folds), 2)} | lines.get(name, {})
    lines["rating-blend"]["fit_s"] = round(sum(spent.values()) / len(folds), 2)
    best = min((name for name in lines if name != "person-mean"), key=lambda name: lines[name]["validation_rmse"])
    headline = {key: lines[best][key] for key in ("rmse", "mae", f"precision@{N}", f"recall@{N}", f"f1@{N}")}
    line = {"algorithm": best, **headline, "algorithms": lines, **describe_run(ratings, arguments, started)}
    print(json.dumps(line))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--budget", type=float, default=15.0, help="seconds of search for each algorithm; more for the factor models"
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def tune_algorithms(
    validation: Split, arguments: argparse.Namespace
) -> tuple[dict[str, dict[str, Any]], EnsembleFit, dict[str, dict[str, Any]]]:
    """Return the parameters by name, the blend of the predictions, and the result line of each search."""
    parameters_by_name, predicted, lines = {}, {}, {}
    actual = np.empty(0)
    for name, space in SPACES.items():

        def evaluate(parameters: Mapping[str, Any], name: str = name) -> float:
            try:
                model = ALGORITHMS[name](**parameters).fit(validation.train)
            except NothingToLearnError:
                raise
            except ValueError:  # the learning rate is so large that the descent diverges
                return float("nan")
            return -evaluate_ratings(model.score, validation, n=N, seed=arguments.seed).rmse

        budget_s = arguments.budget * SHARE_OF_BUDGET[name]
        search = search_parameters(
            space=space, evaluate=evaluate, budget_s=budget_s, seed=arguments.seed, start=STARTS[name]
        )
        for row in search.trials:
            log(f"{name}: {-row.value:.4f} in {row.seconds:.1f} s with {json.dumps(row.parameters)}")
        parameters_by_name[name] = search.best.parameters
        figures = evaluate_ratings(
            ALGORITHMS[name](**parameters_by_name[name]).fit(validation.train).score, validation, n=N
        )
        predicted[name], actual = figures.predicted, figures.actual
        lines[name] = {
            "validation_rmse": round(figures.rmse, 4),
            "tune_s": round(search.seconds, 1),
            "tried": len(search.trials),
            "parameters": parameters_by_name[name],
        }
    blend = fit_least_squares(predicted, actual)
    combined = blend.intercept + sum(weight * predicted[name] for name, weight in blend.weights.items())
    lines["rating-blend"] = {
        "validation_rmse": round(rmse(combined, actual), 4),
        "parameters": {"intercept": blend.intercept, "weights": blend.weights},
    }
    return parameters_by_name, blend, lines


def build_blend(models: Mapping[str, Algorithm], blend: EnsembleFit, train: Interactions) -> RatingEnsemble:
    mean = float(train.weight.mean(dtype=np.float64))
    return RatingEnsemble.of_fitted(models, blend.weights, blend.intercept, overall_mean=mean)


def summarize(folds: Sequence[RatingFigures]) -> dict[str, Any]:
    """Average RMSE and MAE over the folds, as published tables do, and list metrics over all people of all folds."""
    columns = np.column_stack(
        [
            np.concatenate([getattr(fold, name) for fold in folds])
            for name in ("precision", "recall", "f1", "among_rated")
        ]
    )
    names = (f"precision@{N}", f"recall@{N}", f"f1@{N}", f"precision@{N}_among_rated")
    intervals = dict(zip(names, estimate_intervals(columns, seed=0, bounds=UNIT), strict=True))
    fold_rmses = [rmse(fold.predicted, fold.actual) for fold in folds]
    return {
        "rmse": round(float(np.mean(fold_rmses)), 4),
        "mae": round(float(np.mean([mae(fold.predicted, fold.actual) for fold in folds])), 4),
        "rmse_of_folds": [round(value, 4) for value in fold_rmses],
    } | {name: round(interval.value, 4) for name, interval in intervals.items() if np.isfinite(interval.value)}


def describe_run(ratings: Interactions, arguments: argparse.Namespace, started: float) -> dict[str, Any]:
    return {
        "people": ratings.n_users,
        "items": ratings.n_items,
        "ratings": len(ratings),
        "folds": arguments.folds,
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mb": get_peak_mb(),
        "processors": os.cpu_count(),
        "notes": "parameters and blend by RMSE on a fifth of the first fold's train, some of which is in the test parts of the other folds; "
        f"lists of {N} among all items not rated in train, by people who rated something 4 or more in test; "
        "precision among_rated: among the items rated in test alone",
    }


def compile_kernels() -> None:
    """Compile the kernels in advance, so that no measured time contains it; numba caches them per installation."""
    tiny = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"], weight=[1, 2, 4, 5])
    for name in SPACES:
        ALGORITHMS[name]().fit(tiny).score(tiny.build_histories())


if __name__ == "__main__":
    main()
