"""Top-n on a given split: TRAIN and TEST have lines "user item item …"; all items that the user does not have in TRAIN are ranked.

With --repeats items in TRAIN may be bought again: all items are ranked, an item counts as often as it is in a line, and lines must be
oldest first, because the validation data is then the newest part of each line instead of a random one. Lines don't contain baskets: if
TEST begins at a moment, a --validation part cut from TRAIN in time (benchmarks.topn_files makes it) is more like it.

Parameters and the weights of the blend are tuned on a random part of TRAIN: ours within --budget seconds together, `implicit`'s within
as many. Each algorithm is first tried on an eighth of the users, which shows how good and how slow it is. Then the best are tried on all
users, as far as that fits into half of the time, and the best four of these are searched in rounds of equal time, after each of which the
worse half is left out (successive halving). Each that was tried on all users is then fitted on all of TRAIN and evaluated once on TEST. The
headline is our best algorithm on the validation part. benchmarks.topn_files makes such files.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.neighbours import get_peak_mb, log
from benchmarks.ranking_models import ImplicitModel, PerennialModel
from benchmarks.topn_files import hold_out_newest, read_interactions
from benchmarks.topn_tuning import (
    BLEND_SHARE,
    PEERS,
    SPACES,
    Deadline,
    N,
    ParameterSearch,
    Task,
    TunedBlend,
    compile_kernels,
    make_model,
    tune_blend,
    tune_within_budget,
)
from recommendations.engine import Algorithm, recommend
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.evaluation import Split, estimate_intervals, hold_out, make_split
from recommendations.engine.evaluation.beyond_accuracy.coverage import compute_coverage
from recommendations.engine.evaluation.beyond_accuracy.gini import compute_gini
from recommendations.engine.evaluation.bootstrap import UNIT


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
    own_names, peer_names = [name for name in names if name not in PEERS], [name for name in names if name in PEERS]
    deadline = Deadline(arguments.budget)
    blend_s = BLEND_SHARE * arguments.budget if len(own_names) > 1 else 0.0
    own = tune_within_budget(own_names, tuning, arguments, arguments.budget - blend_s)
    blend = tune_blend(own, tuning, deadline) if len(own) > 1 else None
    own_tune_s = deadline.get_elapsed()
    peer_deadline = Deadline(arguments.budget)
    peers = tune_within_budget(peer_names, tuning, arguments, arguments.budget)
    peers_tune_s = peer_deadline.get_elapsed()
    lines: dict[str, dict[str, Any]] = {}
    models: dict[str, Algorithm] = {}
    for name, tuned in (own | peers).items():
        lines[name], model = measure(name, tuned, test)
        if isinstance(model, PerennialModel):
            models[name] = model.model
    if blend is not None:
        lines["blend"] = measure_blend(blend, lines, models, test)
    best = max(lines.keys() - set(PEERS), key=lambda name: lines[name][f"validation_ndcg@{N}"])
    seconds = {"own_tune_s": round(own_tune_s, 1), "peers_tune_s": round(peers_tune_s, 1)}
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


def measure(name: str, tuned: ParameterSearch, test: Task) -> tuple[dict[str, Any], PerennialModel | ImplicitModel]:
    """Fit on all of TRAIN and evaluate on TEST."""
    parameters = {**tuned.best_parameters, **tuned.fixed_parameters}
    model = make_model(name, parameters)
    fit_s = measure_seconds(lambda: model.fit(test.train))
    line = summarize(name, model.recommend_items, test, fit_s, tuned.seconds, tuned.best_value)
    return line | {"tried": tuned.tried, "parameters": parameters}, model


def measure_blend(
    blend: TunedBlend, lines: Mapping[str, dict[str, Any]], models: Mapping[str, Algorithm], test: Task
) -> dict[str, Any]:
    """Evaluate the blend on TEST. The time to fit is the sum of its algorithms'."""
    ensemble = WeightedEnsemble.of_fitted({name: models[name] for name in blend.weights}, blend.weights)

    def recommend_blend(task: Task) -> npt.NDArray[np.int32]:
        return recommend(ensemble, task.histories, N, exclude_seen=task.exclude_seen, tie_seed=0).items

    fit_s = sum(lines[name]["fit_s"] for name in blend.weights)
    line = summarize("blend", recommend_blend, test, fit_s, blend.seconds, blend.value)
    return line | {
        "tried": None,
        "parameters": {"weights": blend.weights},
        f"validation_ndcg@{N}_without": blend.without,
    }


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


def measure_seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
