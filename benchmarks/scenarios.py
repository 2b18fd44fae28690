"""Each placement of a shop against its fallback: weights and parameters chosen on validation data, evaluated once on the last time window.

retailrocket: --files is a folder with its train.parquet (user, item, behavior, ts); it has no texts and no categories. demo: the
warehouse of a demo's var folder, the Complete Journey's baskets and the visits that this program simulates before the newest of them. Everything is
chosen and evaluated as in every training (recommendations/training/tuning/placement_tuning.py).

The settings read the folder from the environment, so the work is done by a child process with an environment of its own.
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
from recommendations.training.evaluation.placement_evaluation import ShopData
from recommendations.training.tuning.placement_result import PlacementResult
from recommendations.training.tuning.placement_tuning import evaluate_placements, tune_placements
from recommendations.training.tuning.search_space import CANDIDATES, Candidate, list_candidates
from recommendations.training.tuning.tuning import tune_model

METRIC = "ndcg@10"


def main() -> None:
    arguments = parse()
    if arguments.measure:
        measure(arguments)
        return
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings",  # the evaluation reads the share of new products from them
        **os.environ,
        "PERENNIAL_VAR": str(arguments.var.resolve()),
    }
    command = [sys.executable, "-m", "benchmarks.scenarios", *sys.argv[1:], "--measure"]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


def measure(arguments: argparse.Namespace) -> None:
    """Print the figures as one JSON line."""
    started = time.perf_counter()
    interactions, products, candidates = retailrocket(arguments.files) if arguments.files else demo()
    cuts = split_by_time(interactions)
    shop = ShopData(interactions, products, cuts)
    budget = TrainingBudget(arguments.seconds, arguments.memory_mb)
    log(f"{len(interactions):,} interactions of {interactions.n_users:,} people with {interactions.n_items:,} products")
    choice = tune_model(time_split=cuts, products=products, budget=budget, step=step, candidates=candidates)
    spent = [budget.get_elapsed()]
    chosen = tune_placements(shop=shop, choice=choice, budget=budget, step=step)
    spent.append(budget.get_elapsed())
    judgement = evaluate_choice(time_split=cuts, choice=chosen.choice, products=products, active=None, step=step)
    spent.append(budget.get_elapsed())
    places, _choice = evaluate_placements(shop=shop, chosen=chosen, model_evaluation=judgement, budget=budget, step=step)
    spent.append(budget.get_elapsed())
    line = {
        "data": arguments.data,
        "scenarios": {name: row(place) for name, place in places.items()},
        "for_you": choice.weights,
        "test_from": f"{datetime.fromtimestamp(judgement.cut_at, UTC):%Y-%m-%d %H:%M}",
        "target": cuts.target,
        "seconds_allowed": arguments.seconds,
        "seconds_of_places": round(spent[1] - spent[0] + spent[3] - spent[2], 1),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mb": get_peak_mb(),
        "processors": os.cpu_count(),
        "notes": "difference: placement minus fallback on the same queries, paired bootstrap over people, 95%; on: better on the validation "
        "data and significantly better on the test data, or impossible to evaluate",
    }
    print(json.dumps(line))


def row(place: PlacementResult) -> dict[str, Any]:
    result = place.as_json()
    figures = result["figures"]
    found = {
        "on": result["on"],
        "why": result["why"]["code"],
        "fallback": result["fallback"],
        "asked": figures["asked"],
        "weights": result["weights"],
        **compared(figures),
    }
    if figures["validation"]:
        found["validation_difference"] = figures["validation"][METRIC]["difference"]["value"]
    return found | {name: compared(beside) for name, beside in figures["beside"].items()}


def compared(figures: Mapping[str, Any]) -> dict[str, Any]:
    found = {"judged": figures["judged"], "people": figures["people"]}
    if METRIC not in figures:
        return found
    own, other, difference = (figures[METRIC][side] for side in ("own", "fallback", "difference"))
    return {
        **found,
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


def retailrocket(folder: Path) -> tuple[Interactions, Products, dict[str, Candidate]]:
    """Every transaction has a moment of its own: an order is what a user buys within half an hour."""
    interactions = read(folder / "train.parquet", with_kinds=True)
    together = CANDIDATES["co-purchase"]
    candidates = {name: one for name, one in CANDIDATES.items() if name != "content"}
    candidates["co-purchase"] = replace(together, fixed={**together.fixed, "gap_s": 1800.0})
    return interactions, Products(interactions.n_items), candidates


def demo() -> tuple[Interactions, Products, dict[str, Candidate]]:
    """Return the demo's data as of its newest event."""
    import django

    django.setup()
    from recommendations.training.data.extract import extract_training_data

    data = extract_training_data(as_of=datetime.now(UTC))
    interactions = replace(data.interactions, as_of=float(data.interactions.order.max()) + 1.0)
    return interactions, data.products, list_candidates(data.products)


def step(name: str, _share: float) -> None:
    """Print each step of the training once, to standard error."""
    if name not in SAID:
        SAID.add(name)
        log(name)


SAID: set[str] = set()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("retailrocket", "demo"), default="demo")
    parser.add_argument("--files", type=Path, help="folder of retailrocket's train.parquet")
    parser.add_argument("--var", type=Path, default=Path("var"), help="the demo's folder, of the settings too")
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="time budget of the training, like TRAINING_SECONDS"
    )
    parser.add_argument("--memory-mb", type=float, default=2048.0)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # the child process
    arguments = parser.parse_args()
    if (arguments.data == "retailrocket") != (arguments.files is not None):
        parser.error("--data retailrocket needs --files, and nothing else takes it")
    return arguments


if __name__ == "__main__":
    main()
