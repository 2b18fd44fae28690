"""Compares every estimate of Perennial with the true values of a simulated shop.

    python -m benchmarks.truth [--customers N] [--products M] [--days D] [--seed S] [--folder FOLDER] [--docs FOLDER]

Writes a shop with the code of `manage.py simulate`, loads it into separate servers with the product's import commands, refreshes profiles,
and prints one JSON line. Nothing is tuned to it. Ceilings (oracle_…) are the estimates of someone who knows every parameter of the
simulation and the history, but not the future.

p_active: the probability of being active, compared with the customers who have not left. orders, spend: expected in 12 months, with the
share of true values inside the stated intervals. purchase_…, churn: probabilities compared with what actually happens. stages: share of
the customers who have not left, and of those who order in the following 91 days. lift: number of campaign intervals that contain the
true mean effect. uplift: how well the expected effects rank the customers. demand: forecasts made four weeks before the end.
recommendations: probability that an order line of the customer is one of the ten products shown.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.simulated_plan import make_plan
from benchmarks.truth_charts import write_charts
from config.simulation.plan import ShopPlan
from config.simulation.simulation import RECORD, write_simulation


def main() -> None:
    arguments = parse_arguments()
    plan: ShopPlan = arguments.plan
    with tempfile.TemporaryDirectory(prefix="perennial-truth-") as name:
        folder = (arguments.folder or Path(name)) / "files"
        if not is_complete(folder):
            write_simulation(plan, folder)
            log("written")
        with run_embedded_servers("truth", report=log, folder=arguments.folder, SHOP_CURRENCY="EUR"):
            print(json.dumps(score_shop(plan, folder, arguments)))


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=4_000)
    parser.add_argument("--products", type=int, default=500)
    parser.add_argument("--days", type=int, default=540)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--until", type=date.fromisoformat, default=date(2026, 11, 29))
    parser.add_argument("--folder", type=Path, help="keep the files and the servers' data here")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="write the charts of docs/truth.md to this folder")
    parser.add_argument("--seconds", type=float, default=60, help="time budget of the training (default 60)")
    parser.add_argument("--without-events", action="store_true", help="load products and orders only")
    arguments = parser.parse_args(words)
    numbers = {name: getattr(arguments, name) for name in ("customers", "products", "days", "seed")}
    arguments.plan = make_plan(parser, **numbers, until=arguments.until)
    return arguments


def is_complete(folder: Path) -> bool:
    record = folder / RECORD
    return record.exists() and bool(json.loads(record.read_text(encoding="utf-8"))["is_complete"])


def score_shop(plan: ShopPlan, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from benchmarks.truth_campaigns import score_lift, score_uplift
    from benchmarks.truth_customers import score_customers
    from benchmarks.truth_demand import score_demand
    from benchmarks.truth_recommendations import score_recommendations
    from benchmarks.truth_shop import get_end, load_files, read_truth, store_campaigns
    from customers.lifecycle.refresh.nightly import refresh_profiles
    from customers.orders.models import Order

    started = time.monotonic()
    call_command("migrate", verbosity=0)
    truth, end = read_truth(folder), get_end(plan)
    if not Order.objects.exists():
        load_files(folder, with_events=not arguments.without_events)
        store_campaigns(plan, truth)
    log(f"loaded in {time.monotonic() - started:.0f} s")
    refresh_profiles(as_of=end, started_at=end)
    log(f"refreshed after {time.monotonic() - started:.0f} s")
    parts = {
        "lift": lambda: score_lift(truth, end),
        "uplift": lambda: score_uplift(truth, end),
        "demand": lambda: score_demand(plan, truth),
        "recommendations": lambda: score_recommendations(truth, end, arguments.seconds),
    }
    figures = score_customers(truth)
    log(json.dumps(round_figures(figures)))
    for name, score in parts.items():
        figures[name] = score()
        log(f"{name} after {time.monotonic() - started:.0f} s: {json.dumps(round_figures(figures[name]))}")
    if arguments.docs:
        write_charts(figures, arguments.docs)
    return {
        **plan.to_dict(),
        **round_figures(figures),
        "seconds": round(time.monotonic() - started, 1),
        "load_average": round(os.getloadavg()[0], 2),
    }


def round_figures(value: Any) -> Any:
    """Return figures rounded to four decimal places; NaN becomes null."""
    if isinstance(value, dict):
        return {name: round_figures(item) for name, item in value.items()}
    if isinstance(value, list):
        return [round_figures(item) for item in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
