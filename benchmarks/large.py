"""A shop of 100 million events, 5 million customers and 200,000 products, on one machine: load, refresh, train, serve.

    python -m benchmarks.large --folder FOLDER [--events N] [--customers N] [--products N] [--memory-mb MB]

The simulator writes the files part by part, the import commands load them; nothing holds the shop in memory. Every finished stage, and
every loaded part, is recorded in FOLDER, so a run that was interrupted continues when the same command is run again. The disk needed is
estimated first, from benchmarks/capacity_costs.json and the files; a disk that is too small is refused.

With --save, the export, the refresh and the fit of every algorithm count among the measurements that the costs are fitted to, as the memory
of a small shop does not show what an interaction takes.

load_s: products, customers, orders and events, with the processing of events and the export to the warehouse. refresh_s: the first refresh of
all profiles. train_s: a training with its tuning, in --seconds. requests_per_s: recommendations in a closed loop. peak_mb: the largest
memory of a process of Perennial in any stage; each stage has its own under stages, with the processor seconds.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.capacity_costs import COSTS_FILE, add_result, predict_cost, read_costs
from benchmarks.neighbours import log
from benchmarks.shop_steps import UNTIL, run_shop_servers, run_shop_steps
from benchmarks.simulated_plan import make_plan
from config.foundation.files.atomic_write import write_atomically
from config.simulation.plan import ShopPlan

EVENTS, CUSTOMERS, PRODUCTS = 100_000_000, 5_000_000, 200_000
# Events per customer after some numbers of days: fewer per day in long simulations, because customers leave
DAYS = (0, 38, 56, 90, 365, 3_650)
EVENTS_PER_CUSTOMER = (0.0, 26.3, 34.8, 47.1, 137.5, 1_200.0)
MIN_DAYS = 28
FILE_BYTES_PER_EVENT = 45  # compressed lines and truth
UNMEASURED_BYTES_PER_EVENT = 2_500  # in PostgreSQL and the warehouse, where no costs were measured yet
SPARE = 1.3  # for the log of PostgreSQL, bloat and temporary files
STATE = "large.json"
STAGES = (
    ("write", ["write"]),
    ("products", ["prepare", "load_products"]),
    ("load", ["load_parts"]),
    ("export", ["export"]),
    ("refresh", ["refresh"]),
    ("fit", ["fit"]),
    ("train", ["train"]),
    ("serve", ["serve"]),
    ("sizes", ["sizes"]),
)


def main() -> None:
    arguments = parse_arguments()
    plan: ShopPlan = arguments.plan
    with tempfile.TemporaryDirectory(prefix="perennial-large-") as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # PostgreSQL runs as another user
        state = read_state(folder, plan)
        needed, free = estimate_disk(plan, arguments.events), shutil.disk_usage(folder).free
        used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        log(
            f"{needed / 1e9:,.1f} GB of disk are needed, {free / 1e9:,.1f} GB are free, {used / 1e9:,.1f} GB are used already"
        )
        if needed - used > free:
            sys.exit(
                f"{folder} has {free / 1e9:,.1f} GB free, {(needed - used) / 1e9:,.1f} GB are needed. "
                "Choose another --folder, or lower --events and --customers."
            )
        os.environ["TRAINING_MEMORY_MB"] = str(round(arguments.memory_mb * 0.6))
        os.environ["BENCHMARK_TRAIN_SECONDS"] = str(arguments.seconds)
        run_stages(plan, folder, state)
        result = summarize(plan, state)
        if arguments.save:
            add_result(COSTS_FILE, "large", result)
        print(json.dumps(result))


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--customers", type=int, help="default: a twentieth of the events")
    parser.add_argument("--products", type=int, help="default: one per 500 events, at most 200,000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600, help="time budget of the training (default 600)")
    parser.add_argument("--memory-mb", type=int, default=16_000, help="memory of the machine (default 16,000)")
    parser.add_argument("--folder", type=Path, help="keep everything here, to continue an interrupted run")
    parser.add_argument(
        "--save", action="store_true", help="keep the result in benchmarks/capacity_costs.json, for docs/capacity.md"
    )
    arguments = parser.parse_args(words)
    arguments.customers = arguments.customers or arguments.events // 20
    arguments.products = arguments.products or max(20, min(arguments.events // 500, PRODUCTS))
    if arguments.customers < 100 or arguments.events < arguments.customers:
        parser.error("--customers must be at least 100, and --events at least as many")
    numbers = {name: getattr(arguments, name) for name in ("customers", "products", "seed")}
    arguments.plan = make_plan(parser, **numbers, days=choose_days(arguments), until=UNTIL)
    return arguments


def choose_days(arguments: argparse.Namespace) -> int:
    """Return the number of days after which the shop has about the requested number of events."""
    days = float(np.interp(arguments.events / arguments.customers, EVENTS_PER_CUSTOMER, DAYS))
    return max(MIN_DAYS, round(days))


def read_state(folder: Path, plan: ShopPlan) -> dict[str, Any]:
    """Return the finished stages. Exits when the folder has another shop."""
    path = folder / STATE
    state: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"plan": plan.to_dict(), "stages": {}}
    )
    if state["plan"] != plan.to_dict():
        sys.exit(f"{folder} contains another shop ({state['plan']}). Choose another --folder, or the same numbers.")
    return state


def estimate_disk(plan: ShopPlan, events: int) -> float:
    """Return the bytes that files, PostgreSQL and the warehouse need."""
    if not COSTS_FILE.exists():
        return events * (UNMEASURED_BYTES_PER_EVENT * SPARE + FILE_BYTES_PER_EVENT)
    costs = read_costs()["costs"]
    sizes = {
        "events": events,
        "customers": plan.customers,
        "products": plan.products,
        "lines": events / 8,
        "interactions": events * costs["interactions_per_event"]["fixed"],
        "live_events": 0,
        "emails": 0,
    }
    names = [name for name in costs if name.endswith("_bytes") and name != "valkey_bytes"]
    return sum(predict_cost(costs[name], sizes) for name in names) * SPARE + events * FILE_BYTES_PER_EVENT


def run_stages(plan: ShopPlan, folder: Path, state: dict[str, Any]) -> None:
    """Run the stages that are not finished, and record each."""
    with run_shop_servers(folder):
        for stage, steps in STAGES:
            if stage in state["stages"]:
                log(f"{stage}: finished earlier")
                continue
            log(f"{stage} …")
            began = time.monotonic()
            figures = run_shop_steps(steps, plan, folder)[steps[-1]]
            times = {"whole_s": round(time.monotonic() - began, 1)}
            state["stages"][stage] = {
                name: figures[name] for name in figures if name not in ("began_at", "ended_at")
            } | times
            write_atomically(folder / STATE, json.dumps(state).encode())
            log(f"{stage}: {json.dumps(state['stages'][stage])}")


def summarize(plan: ShopPlan, state: dict[str, Any]) -> dict[str, Any]:
    stages = state["stages"]
    sizes = stages["sizes"]
    return {
        "load_s": round(sum(stages[name]["seconds"] for name in ("products", "load", "export")), 1),
        "refresh_s": round(stages["refresh"]["seconds"], 1),
        "train_s": round(stages["train"]["seconds"], 1),
        "requests_per_s": stages["serve"]["requests_per_s"],
        "peak_mb": max(figures.get("peak_mb", 0) for figures in stages.values()),
        "web_mb": stages["serve"]["workers_mb"],
        "events": sizes["events_stored"],
        "customers": sizes["customers_stored"],
        "products": sizes["products_stored"],
        "lines": sizes["lines_stored"],
        "days": plan.days,
        "postgres_mb": round(sum(size for name, size in sizes.items() if is_table_size(name)) / 1e6),
        "warehouse_mb": round(sizes["warehouse_bytes"] / 1e6),
        "valkey_mb": round(sizes["valkey_bytes"] / 1e6),
        "stages": stages,
        "load_average": round(os.getloadavg()[0], 2),
    }


def is_table_size(name: str) -> bool:
    return name.startswith("postgres_") and name.endswith("_bytes") and not name.endswith("_index_bytes")


if __name__ == "__main__":
    main()
