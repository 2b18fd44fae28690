"""Each placement compared with its fallback: weights and parameters tuned on validation data, evaluated once on the last time window.

retailrocket: --files is a folder with its train.parquet (user, item, behavior, ts), which has no texts and no categories. demo: the
warehouse in the var folder of a demo, which has the orders of the Complete Journey and the visits that `simulate_clickstream` creates
before the newest of them. Tuning and evaluation are those of every training (recommendations/training/tuning/placements).

The settings read the folder from the environment, so a child process with its own environment does the work.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.behaviours import read
from benchmarks.neighbours import get_peak_mb, log
from recommendations.engine import Interactions, Products
from recommendations.training.budget import TrainingBudget
from recommendations.training.data.time_split import split_by_time
from recommendations.training.evaluation.evaluation import evaluate_choice
from recommendations.training.evaluation.placement_data import ShopData
from recommendations.training.tuning.model_tuning import tune_model
from recommendations.training.tuning.placements.placement_result import PlacementResult
from recommendations.training.tuning.placements.placement_testing import evaluate_placements
from recommendations.training.tuning.placements.placement_tuning import tune_placements
from recommendations.training.tuning.search_space import CANDIDATES, Candidate, list_candidates

METRIC = "ndcg@10"


def main() -> None:
    arguments = parse_arguments()
    if arguments.measure:
        measure_placements(arguments)
        return
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings",  # the evaluation needs the setting of the share of new products
        **os.environ,
        "PERENNIAL_VAR": str(arguments.var.resolve()),
    }
    command = [sys.executable, "-m", "benchmarks.scenarios", *sys.argv[1:], "--measure"]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


def measure_placements(arguments: argparse.Namespace) -> None:
    """Print the figures as one JSON line."""
    started = time.perf_counter()
    interactions, products, candidates = load_retailrocket(arguments.files) if arguments.files else load_demo()
    time_split = split_by_time(interactions)
    shop = ShopData(interactions, products, time_split)
    budget = TrainingBudget(arguments.seconds, arguments.memory_mb)
    log(f"{len(interactions):,} interactions of {interactions.n_users:,} people with {interactions.n_items:,} products")
    choice = tune_model(time_split=time_split, products=products, budget=budget, step=log_step, candidates=candidates)
    elapsed = [budget.get_elapsed()]
    tuned = tune_placements(shop=shop, choice=choice, budget=budget, step=log_step)
    elapsed.append(budget.get_elapsed())
    evaluation = evaluate_choice(
        time_split=time_split, choice=tuned.choice, products=products, active=None, step=log_step
    )
    elapsed.append(budget.get_elapsed())
    placements, _choice = evaluate_placements(
        shop=shop, tuned=tuned, model_evaluation=evaluation, budget=budget, step=log_step
    )
    elapsed.append(budget.get_elapsed())
    line = {
        "data": arguments.data,
        "scenarios": {name: summarize_placement(result) for name, result in placements.items()},
        "for_you": choice.weights,
        "test_from": f"{datetime.fromtimestamp(evaluation.cut_at, UTC):%Y-%m-%d %H:%M}",
        "target": time_split.target,
        "seconds_allowed": arguments.seconds,
        "seconds_of_places": round(elapsed[1] - elapsed[0] + elapsed[3] - elapsed[2], 1),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mb": get_peak_mb(),
        "processors": os.cpu_count(),
        "notes": "difference: placement minus fallback on the same queries, paired bootstrap over people, 95%; on: better on the validation "
        "data and significantly better on the test data, or impossible to evaluate",
    }
    print(json.dumps(line))


def summarize_placement(placement: PlacementResult) -> dict[str, Any]:
    """Return the decision, the weights and the figures of one placement, and those of its other comparisons."""
    result = placement.to_json()
    figures = result["figures"]
    summary = {
        "on": result["on"],
        "why": result["why"]["code"],
        "fallback": result["fallback"],
        "queries": figures["question"],
        "weights": result["weights"],
        **summarize_comparison(figures),
    }
    if figures["validation"]:
        summary["validation_difference"] = figures["validation"][METRIC]["difference"]["value"]
    if result["visit"]:
        summary["visit"] = {**result["visit"], "figures": summarize_comparison(result["visit"]["figures"])}
    return summary | {name: summarize_comparison(other) for name, other in figures["comparisons"].items()}


def summarize_comparison(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the number of evaluated queries, and the metrics of the placement and its fallback if there are any."""
    counts = {"evaluated": figures["queries"], "people": figures["people"]}
    if METRIC not in figures:
        return counts
    own, other, difference = (figures[METRIC][side] for side in ("own", "fallback", "difference"))
    return {
        **counts,
        "metric": METRIC,
        **own,
        "fallback_value": other["value"],
        "difference": difference["value"],
        "difference_low": difference["low"],
        "difference_high": difference["high"],
        **{
            metric: [figures[metric]["own"]["value"], figures[metric]["fallback"]["value"]]
            for metric in ("hit_rate@10", "precision@10")
        },
    }


def load_retailrocket(folder: Path) -> tuple[Interactions, Products, dict[str, Candidate]]:
    """Return the data set as interactions. Each purchase has its own time, so purchases within half an hour form an order."""
    interactions = read(folder / "train.parquet", with_kinds=True)
    co_purchase = CANDIDATES["co-purchase"]
    candidates = {name: candidate for name, candidate in CANDIDATES.items() if name != "content"}
    candidates["co-purchase"] = replace(co_purchase, fixed={**co_purchase.fixed, "gap_s": 1800.0})
    return interactions, Products(interactions.n_items), candidates


def load_demo() -> tuple[Interactions, Products, dict[str, Candidate]]:
    """Return the demo's data as of its newest event."""
    import django

    django.setup()
    from recommendations.training.data.extract import extract_training_data

    data = extract_training_data(as_of=datetime.now(UTC))
    interactions = replace(data.interactions, as_of=float(data.interactions.order.max()) + 1.0)
    return interactions, data.products, list_candidates(data.products)


def log_step(name: str, _share: float) -> None:
    """Print each step of the training once, to standard error."""
    if name not in LOGGED_STEPS:
        LOGGED_STEPS.add(name)
        log(name)


LOGGED_STEPS: set[str] = set()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("retailrocket", "demo"), default="demo")
    parser.add_argument("--files", type=Path, help="folder with the train.parquet of retailrocket")
    parser.add_argument("--var", type=Path, default=Path("var"), help="data folder of the demo and of the settings")
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="time budget of the training, like TRAINING_SECONDS"
    )
    parser.add_argument("--memory-mb", type=float, default=2048.0)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # the child process
    arguments = parser.parse_args()
    if (arguments.data == "retailrocket") != (arguments.files is not None):
        parser.error("--data retailrocket requires --files; --data demo does not accept it")
    return arguments


if __name__ == "__main__":
    main()
