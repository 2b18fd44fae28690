"""The next click of a visit: TRAIN holds one visit a line, "item item …", oldest visit first; TEST one "prefix<TAB>label" a line.

A TEST of visits (no tab in it) is cut into all its prefixes. All items are ranked, those of the prefix included. Parameters of
every algorithm and the weights of the blend are chosen by ndcg@20 on the newest --share of TRAIN's visits, within --budget seconds
of search each; then each is fitted on all of TRAIN and scored on TEST once. The headline is the one best on that newest part.
Time is the number of the line, and half-lives are shares of TRAIN's length: the file has no clock.
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
    """interactions: TRAIN, one user a visit. test: the prefixes to be judged by, unseen while anything is chosen."""

    interactions: Interactions
    test: SessionPrefixes
    dropped: int


def main() -> None:
    arguments = parse()
    data = read(arguments.train, arguments.test)
    split = split_newest_sessions(data.interactions, share=arguments.share)
    held_out = build_session_prefixes(split.test.histories(np.unique(split.test.user)))
    tuning = held_out.sample(arguments.prefixes, seed=arguments.seed)
    log(
        f"{data.interactions.n_users:,} visits, {len(data.interactions):,} clicks on {data.interactions.n_items:,} items; "
        f"{len(tuning):,} of {len(held_out):,} newest prefixes to choose by, {len(data.test):,} to be judged by"
    )
    compile_kernels()
    lines: dict[str, dict[str, Any]] = {}
    fitted: dict[str, Algorithm] = {}
    for name in arguments.algorithms:
        lines[name], fitted[name] = measure(name, split.train, tuning, data, arguments)
    if len(lines) > 1:
        weighing = held_out.sample(2 * arguments.prefixes, seed=arguments.seed + 1)
        lines["blend"] = measure_blend(lines, fitted, split.train, weighing, data)
    best = max(lines, key=lambda name: lines[name][f"validation_ndcg@{N}"])
    about = {
        "algorithm": best,
        "peak_mb": get_peak_mb(),
        "visits": data.interactions.n_users,
        "items": data.interactions.n_items,
        "test_prefixes": len(data.test),
        "test_prefixes_dropped": data.dropped,
        "processors": os.cpu_count(),
        "notes": f"chosen by ndcg@{N} on prefixes of the newest {arguments.share:.0%} of TRAIN's visits, {arguments.budget:.0f} s of search "
        "each; TEST scored once each; intervals by bootstrap over prefixes; p50_ms is one prediction of 20 products in one thread; "
        "peak_mb is of the whole run, all models held",
    }
    print(json.dumps({**lines[best], **about, "algorithms": lines}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--algorithms", nargs="+", choices=sorted(SPACES), default=list(SPACES), metavar="NAME")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of search for each algorithm")
    parser.add_argument("--share", type=float, default=0.08, help="of TRAIN's visits, the newest, to choose by")
    parser.add_argument(
        "--prefixes", type=int, default=3_000, help="at most so many of theirs are looked at in a search"
    )
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def read(train: Path, test: Path) -> Sessions:
    visits = [line.split() for line in train.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not visits:
        raise SystemExit(f'{train}: no visit in it; each line must be "item item …"')
    lengths = np.array([len(visit) for visit in visits])
    row = np.repeat(np.arange(len(visits)), lengths)
    place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    items, item = IdMap.numbered([item for visit in visits for item in visit])
    interactions = Interactions.from_rows(
        user=row, item=item, users=IdMap.of(np.arange(len(visits))), items=items, order=row + place / lengths[row]
    )
    prefixes, labels = read_prefixes(test)
    rows = items.rows([item for prefix in prefixes for item in prefix])
    label_rows = items.rows(labels)
    ends = np.cumsum([len(prefix) for prefix in prefixes])
    known = [part[part >= 0] for part in np.split(rows, ends[:-1])]
    kept = [place for place in range(len(prefixes)) if label_rows[place] >= 0 and len(known[place])]
    found = make_session_prefixes(
        [known[place] for place in kept], label_rows[kept], n_items=len(items), as_of=interactions.as_of
    )
    return Sessions(interactions, found, len(prefixes) - len(kept))


def read_prefixes(path: Path) -> tuple[list[list[str]], list[str]]:
    """Prefixes and labels of a file of pairs, or of all prefixes of a file of visits."""
    prefixes, labels = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        prefix, tab, label = line.partition("\t")
        items = prefix.split()
        if tab:
            if not items or len(label.split()) != 1:
                raise SystemExit(f'{path}:{number}: "prefix<TAB>label" wants items, a tab and one item, got {line!r}')
            prefixes.append(items)
            labels.append(label.strip())
        else:
            prefixes += [items[:place] for place in range(1, len(items))]
            labels += items[1:]
    if not labels:
        raise SystemExit(f'{path}: no prefix in it; each line must be "prefix<TAB>label" or "item item …"')
    return prefixes, labels


def measure(
    name: str, train: Interactions, tuning: SessionPrefixes, data: Sessions, arguments: argparse.Namespace
) -> tuple[dict[str, Any], Algorithm]:
    """The line of one algorithm, and the algorithm as it was when it was chosen."""
    span_days = float(np.ptp(train.order)) / DAY

    def made(parameters: Mapping[str, Any]) -> Algorithm:
        age = parameters.get("half_life_days")
        aged = {} if age is None else {"half_life_days": age * span_days}
        return ALGORITHMS[name](**{**parameters, **aged})

    def evaluate(parameters: Mapping[str, Any]) -> float:
        return float(evaluate_prefixes(made(parameters).fit(train), tuning, n=N).ndcg.mean())

    found = search_parameters(space=SPACES[name], evaluate=evaluate, budget_s=arguments.budget, seed=arguments.seed)
    chosen = made(found.best.parameters).fit(train)
    begin = time.perf_counter()
    model = made(found.best.parameters).fit(data.interactions)
    fit_s = time.perf_counter() - begin
    line = summarize(name, model, data.test, fit_s, found.seconds, found.best.value)
    return line | {"tried": len(found.trials), "parameters": model.parameters()}, chosen


def measure_blend(
    lines: Mapping[str, dict[str, Any]],
    fitted: Mapping[str, Algorithm],
    train: Interactions,
    weighing: SessionPrefixes,
    data: Sessions,
) -> dict[str, Any]:
    begin = time.perf_counter()
    chosen = tune_ensemble_weights(
        components=fitted, histories=weighing.histories, relevant=weighing.relevant, exclude_seen=False, n=N
    )
    weights = {name: weight for name, weight in chosen.weights.items() if weight > 0}
    tune_s = time.perf_counter() - begin
    log(f"weights {weights}; ndcg@{N} {chosen.value:.4f} against {chosen.single}")
    described = {name: {"algorithm": name, "parameters": lines[name]["parameters"]} for name in weights}
    begin = time.perf_counter()
    blend = WeightedEnsemble(described, weights).fit(data.interactions)
    fit_s = time.perf_counter() - begin
    ablation = {
        name: round(
            tune_ensemble_weights(
                components={other: fitted[other] for other in weights if other != name},
                histories=weighing.histories, relevant=weighing.relevant, exclude_seen=False, n=N,
            ).value, 4,
        )
        for name in (weights if len(weights) > 1 else ())
    }  # fmt: skip
    line = summarize("blend", blend, data.test, fit_s, tune_s, chosen.value)
    return line | {"parameters": {"weights": weights}, f"validation_ndcg@{N}_without": ablation}


def summarize(
    name: str, model: Algorithm, test: SessionPrefixes, fit_s: float, tune_s: float, validation_value: float
) -> dict[str, Any]:
    begin = time.perf_counter()
    figures = evaluate_prefixes(model, test, n=N)
    recommend_s = time.perf_counter() - begin
    line = {
        **with_intervals(figures),
        f"validation_ndcg@{N}": round(validation_value, 4),
        "fit_s": round(fit_s, 2),
        "recommend_s": round(recommend_s, 2),
        "tune_s": round(tune_s, 1),
        **latency(model, test),
    }
    log(f"{name}: {json.dumps(line)}")
    return line


def with_intervals(figures: PrefixFigures) -> dict[str, float]:
    names = (f"hr@{N}", f"mrr@{N}", f"ndcg@{N}")
    columns = np.column_stack([figures.hit_rate, figures.mrr, figures.ndcg])
    line: dict[str, float] = {}
    for name, interval in zip(names, estimate_intervals(columns, seed=0), strict=True):
        line |= {
            name: round(interval.value, 4),
            f"{name}_low": round(interval.low, 4),
            f"{name}_high": round(interval.high, 4),
        }
    return line


def latency(model: Algorithm, test: SessionPrefixes, count: int = 500) -> dict[str, float]:
    sample = test.sample(count, seed=0).histories
    times = []
    for row in range(len(sample)):
        begin = time.perf_counter()
        recommend(model, sample.rows(row, row + 1), N, exclude_seen=False)
        times.append(1e3 * (time.perf_counter() - begin))
    return {"p50_ms": round(float(np.quantile(times, 0.5)), 3), "p99_ms": round(float(np.quantile(times, 0.99)), 3)}


def compile_kernels() -> None:
    """Once an installation; not part of any figure."""
    tiny = Interactions.from_ids(user_ids=["a", "a", "b", "b"], item_ids=["x", "y", "x", "y"])
    for name in SPACES:
        recommend(ALGORITHMS[name]().fit(tiny), tiny.histories(), 2, exclude_seen=False)


if __name__ == "__main__":
    main()
