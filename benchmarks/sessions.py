"""Predicts the next click of a visit. TRAIN has one visit per line, "item item …", oldest first; TEST one "prefix<TAB>label" per line.

A TEST of visits (without tabs) is split into all prefixes. All items are ranked, those of the prefix included. Parameters of every
algorithm and the weights of the blend are tuned by NDCG@20 on the newest --share of TRAIN's visits, within --budget seconds of search
each; then each is fitted on all of TRAIN and evaluated once on TEST. The headline is the best on the newest part of TRAIN. The files
have no times, so the line number serves as time, and half-lives are shares of TRAIN's length.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.neighbours import get_peak_mb, log
from recommendations.engine import ALGORITHMS, Algorithm, IdMap, Interactions, recommend
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.weighting import DAY
from recommendations.engine.evaluation import (
    PrefixFigures,
    SessionPrefixes,
    build_session_prefixes,
    estimate_intervals,
    evaluate_prefixes,
    make_session_prefixes,
    split_newest_sessions,
)
from recommendations.engine.evaluation.bootstrap import UNIT
from recommendations.engine.tuning.ensemble_weights import tune_ensemble_weights
from recommendations.engine.tuning.parameter_search import search_parameters

N = 20
AGES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, None)
SPACES: dict[str, dict[str, Sequence[Any]]] = {
    "popularity": {"half_life_days": AGES},
    "repeat": {},
    "item-knn": {
        "weighting": ("binary", "tf-idf", "bm25"),
        "k": (50, 100, 200, 400),
        "shrinkage": (0.0, 5.0, 20.0),
        "half_life_days": AGES,
    },
    "transitions": {
        "k": (100, 200, 400),
        "decay": (0.5, 0.6, 0.7, 0.8, 0.9),
        "backward": (0.1, 0.2, 0.3, 0.5, 0.7),
        "length_damping": (0.0, 0.5, 1.0),
        "source_damping": (0.1, 0.3, 0.5, 0.7, 0.9),
        "target_damping": (0.0, 0.1, 0.2, 0.3, 0.4),
        "smoothing": (1.0, 3.0, 10.0, 30.0),
        "recency": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "half_life_days": AGES,
    },
    "transition-walk": {
        "k": (100, 200, 400, 800, 1600),
        "branches": (15, 30, 60, 120),
        "decay": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        "backward": (0.1, 0.3, 0.5, 0.7, 1.0),
        "target_damping": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
        "recency": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "half_life_days": AGES,
    },
    "session-knn": {
        "k": (50, 100, 200, 500, 1000, 2000),
        "newest": (250, 500, 1000, 2000, 5000),
        "decay": (0.5, 0.6, 0.7, 0.8, 0.9),
        "reach": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        "back": (0.1, 0.3, 0.5, 0.7, 1.0),
        "own": (0.3, 0.5, 1.0, 1.5, 2.0, 3.0),
        "damping": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
        "match_damping": (0.0, 0.3, 0.5, 0.7, 0.9),
        "length_damping": (0.0, 0.2, 0.3, 0.5, 0.7),
        "half_life_days": AGES,
    },
}


@dataclass(frozen=True, eq=False)
class Sessions:
    """interactions: TRAIN, with each visit as one user. test: the prefixes of TEST, not used for tuning."""

    interactions: Interactions
    test: SessionPrefixes
    dropped: int


def main() -> None:
    arguments = parse()
    data = read(arguments.train, arguments.test)
    split = split_newest_sessions(data.interactions, share=arguments.share)
    validation = build_session_prefixes(split.test.build_histories(np.unique(split.test.user)))
    tuning = validation.sample(arguments.prefixes, seed=arguments.seed)
    log(
        f"{data.interactions.n_users:,} visits, {len(data.interactions):,} clicks on {data.interactions.n_items:,} items; "
        f"{len(tuning):,} of {len(validation):,} newest prefixes for tuning, {len(data.test):,} test prefixes"
    )
    compile_kernels()
    lines: dict[str, dict[str, Any]] = {}
    fitted: dict[str, Algorithm] = {}
    for name in arguments.algorithms:
        lines[name], fitted[name] = measure(name, split.train, tuning, data, arguments)
    if len(lines) > 1:
        weight_prefixes = validation.sample(2 * arguments.prefixes, seed=arguments.seed + 1)
        lines["blend"] = measure_blend(lines, fitted, split.train, weight_prefixes, data)
    best = max(lines, key=lambda name: lines[name][f"validation_ndcg@{N}"])
    run_summary = {
        "algorithm": best,
        "peak_mb": get_peak_mb(),
        "visits": data.interactions.n_users,
        "items": data.interactions.n_items,
        "test_prefixes": len(data.test),
        "test_prefixes_dropped": data.dropped,
        "processors": os.cpu_count(),
        "notes": f"chosen by ndcg@{N} on prefixes of the newest {arguments.share:.0%} of TRAIN's visits, {arguments.budget:.0f} s of search "
        "each; TEST scored once each; intervals by bootstrap over prefixes; p50_ms is one prediction of 20 products in one thread; "
        "peak_mb is of the whole run, with all models in memory",
    }
    print(json.dumps({**lines[best], **run_summary, "algorithms": lines}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--algorithms", nargs="+", choices=sorted(SPACES), default=list(SPACES), metavar="NAME")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of search for each algorithm")
    parser.add_argument("--share", type=float, default=0.08, help="share of TRAIN's visits, the newest, for tuning")
    parser.add_argument("--prefixes", type=int, default=3_000, help="maximum number of prefixes evaluated in a search")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def read(train: Path, test: Path) -> Sessions:
    visits = [line.split() for line in train.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not visits:
        raise SystemExit(f'{train}: no visit in it; each line must be "item item …"')
    lengths = np.array([len(visit) for visit in visits])
    row = np.repeat(np.arange(len(visits)), lengths)
    position = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    items, item = IdMap.number_ids([item for visit in visits for item in visit])
    interactions = Interactions.from_rows(
        user=row, item=item, users=IdMap.of(np.arange(len(visits))), items=items, order=row + position / lengths[row]
    )
    prefixes, labels = read_prefixes(test)
    rows = items.get_rows([item for prefix in prefixes for item in prefix])
    label_rows = items.get_rows(labels)
    ends = np.cumsum([len(prefix) for prefix in prefixes])
    known_prefixes = [known_items[known_items >= 0] for known_items in np.split(rows, ends[:-1])]
    evaluated = [
        position for position in range(len(prefixes)) if label_rows[position] >= 0 and len(known_prefixes[position])
    ]
    test_prefixes = make_session_prefixes(
        [known_prefixes[position] for position in evaluated],
        label_rows[evaluated],
        n_items=len(items),
        as_of=interactions.as_of,
    )
    return Sessions(interactions, test_prefixes, len(prefixes) - len(evaluated))


def read_prefixes(path: Path) -> tuple[list[list[str]], list[str]]:
    """Read the prefixes and labels of a file of pairs, or all prefixes of a file of visits."""
    prefixes, labels = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        prefix, tab, label = line.partition("\t")
        items = prefix.split()
        if tab:
            if not items or len(label.split()) != 1:
                raise SystemExit(
                    f'{path}:{number}: "prefix<TAB>label" requires items, a tab and one item, got {line!r}'
                )
            prefixes.append(items)
            labels.append(label.strip())
        else:
            prefixes += [items[:length] for length in range(1, len(items))]
            labels += items[1:]
    if not labels:
        raise SystemExit(f'{path}: no prefix in it; each line must be "prefix<TAB>label" or "item item …"')
    return prefixes, labels


def measure(
    name: str, train: Interactions, tuning: SessionPrefixes, data: Sessions, arguments: argparse.Namespace
) -> tuple[dict[str, Any], Algorithm]:
    """Return the result line of an algorithm, and the model fitted on the validation data."""
    span_days = float(np.ptp(train.order)) / DAY

    def make_model(parameters: Mapping[str, Any]) -> Algorithm:
        age = parameters.get("half_life_days")
        aged = {} if age is None else {"half_life_days": age * span_days}
        return ALGORITHMS[name](**{**parameters, **aged})

    def evaluate(parameters: Mapping[str, Any]) -> float:
        return float(evaluate_prefixes(make_model(parameters).fit(train), tuning, n=N).ndcg.mean())

    search = search_parameters(space=SPACES[name], evaluate=evaluate, budget_s=arguments.budget, seed=arguments.seed)
    validation_model = make_model(search.best.parameters).fit(train)
    started = time.perf_counter()
    model = make_model(search.best.parameters).fit(data.interactions)
    fit_s = time.perf_counter() - started
    line = summarize(name, model, data.test, fit_s, search.seconds, search.best.value)
    return line | {"tried": len(search.trials), "parameters": model.get_parameters()}, validation_model


def measure_blend(
    lines: Mapping[str, dict[str, Any]],
    fitted: Mapping[str, Algorithm],
    train: Interactions,
    weight_prefixes: SessionPrefixes,
    data: Sessions,
) -> dict[str, Any]:
    started = time.perf_counter()
    tuned = tune_ensemble_weights(
        components=fitted,
        histories=weight_prefixes.histories,
        relevant=weight_prefixes.relevant,
        exclude_seen=False,
        n=N,
    )
    weights = {name: weight for name, weight in tuned.weights.items() if weight > 0}
    tune_s = time.perf_counter() - started
    log(f"weights {weights}; ndcg@{N} {tuned.value:.4f} against {tuned.single}")
    described = {name: {"algorithm": name, "parameters": lines[name]["parameters"]} for name in weights}
    started = time.perf_counter()
    blend = WeightedEnsemble(described, weights).fit(data.interactions)
    fit_s = time.perf_counter() - started
    ablation = {
        name: round(
            tune_ensemble_weights(
                components={component: fitted[component] for component in weights if component != name},
                histories=weight_prefixes.histories, relevant=weight_prefixes.relevant, exclude_seen=False, n=N,
            ).value, 4,
        )
        for name in (weights if len(weights) > 1 else ())
    }  # fmt: skip
    line = summarize("blend", blend, data.test, fit_s, tune_s, tuned.value)
    return line | {"parameters": {"weights": weights}, f"validation_ndcg@{N}_without": ablation}


def summarize(
    name: str, model: Algorithm, test: SessionPrefixes, fit_s: float, tune_s: float, validation_value: float
) -> dict[str, Any]:
    started = time.perf_counter()
    figures = evaluate_prefixes(model, test, n=N)
    recommend_s = time.perf_counter() - started
    line = {
        **summarize_figures(figures),
        f"validation_ndcg@{N}": round(validation_value, 4),
        "fit_s": round(fit_s, 2),
        "recommend_s": round(recommend_s, 2),
        "tune_s": round(tune_s, 1),
        **measure_latency(model, test),
    }
    log(f"{name}: {json.dumps(line)}")
    return line


def summarize_figures(figures: PrefixFigures) -> dict[str, float]:
    names = (f"hr@{N}", f"mrr@{N}", f"ndcg@{N}")
    columns = np.column_stack([figures.hit_rate, figures.mrr, figures.ndcg])
    line: dict[str, float] = {}
    for name, interval in zip(names, estimate_intervals(columns, seed=0, bounds=UNIT), strict=True):
        line |= {
            name: round(interval.value, 4),
            f"{name}_low": round(interval.low, 4),
            f"{name}_high": round(interval.high, 4),
        }
    return line


def measure_latency(model: Algorithm, test: SessionPrefixes, count: int = 500) -> dict[str, float]:
    sample = test.sample(count, seed=0).histories
    latencies = []
    for row in range(len(sample)):
        started = time.perf_counter()
        recommend(model, sample.slice_rows(row, row + 1), N, exclude_seen=False)
        latencies.append(1e3 * (time.perf_counter() - started))
    return {
        "p50_ms": round(float(np.quantile(latencies, 0.5)), 3),
        "p99_ms": round(float(np.quantile(latencies, 0.99)), 3),
    }


def compile_kernels() -> None:
    """Compile the kernels in advance, so that no measured time contains it; numba caches them per installation."""
    tiny = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    for name in SPACES:
        recommend(ALGORITHMS[name]().fit(tiny), tiny.build_histories(), 2, exclude_seen=False)


if __name__ == "__main__":
    main()
