"""How the cost of each piece of work grows with the shop: the same simulated shop at several sizes, and the exponent of each cost.

    python -m benchmarks.growth [--customers N] [--factors 1 2 4 8] [--only refresh training …] [--docs FOLDER] [--costs FILE]

Each size has servers of its own. The number of customers, and with it of events and orders, is multiplied; products and days are not.

NAME_exponent: the slope of log(cost) against log(units), by least squares over all sizes, where the cost is the processor seconds of all
processes involved (of serving: microseconds of the web server per request, against customers) and the units are those of the work, such
as events. Work that starts by fitting a fixed number of models costs something at size 0: NAME_net_exponent is of the cost beyond that of
a shop of --warm-up customers; it is null where the largest shop costs less than 1.5 times as much as that one. The smallest shop runs
twice, because the first run compiles the kernels: the models of the shop for the warm-up do not use all of them. NAME_last_exponent is
between the two largest sizes. A size is one run, so a difference of 10% means nothing.

Processor times are divided by the slowness of the machine during the step (benchmarks.machine_speed), which is listed per cost: on a
virtual machine, the same work takes half as long again at some times. worst_batch_measured_exponent is of the times as measured.
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.growth_charts import write_growth_charts
from benchmarks.machine_speed import SpeedSampler
from benchmarks.neighbours import log
from benchmarks.shop_steps import UNTIL, Figures, copy_template, make_template, run_shop_servers, run_shop_steps
from benchmarks.simulated_plan import make_plan
from config.simulation.plan import ShopPlan

CUSTOMERS, PRODUCTS, DAYS = 1_500, 500, 70
WARM_UP = 250
FACTORS = (1, 2, 4, 8)
NET_RATIO = 1.5


@dataclass(frozen=True)
class GrowthCost:
    """A cost that is measured. step: of benchmarks.shop_steps; units: the key of its size in the measurements of a shop."""

    name: str
    step: str
    units: str
    is_batch: bool = True
    measure: str = "total_cpu_s"


COSTS = (
    GrowthCost("import_orders", "load_orders", "orders"),
    GrowthCost("import_events", "import_events", "events"),
    GrowthCost("process_imported", "process_imported", "events"),
    GrowthCost("export", "export", "events"),
    GrowthCost("refresh", "refresh", "customers"),
    GrowthCost("nightly_refresh", "refresh_next_day", "customers"),
    GrowthCost("training", "fit", "interactions"),
    GrowthCost("funnel", "funnel", "events"),
    GrowthCost("ingest", "ingest", "live_events"),
    GrowthCost("processing", "process", "live_events"),
    GrowthCost("serving", "serve", "customers", is_batch=False, measure="cpu_us"),
    GrowthCost("sending", "send", "emails"),
)
NAMES = tuple(cost.name for cost in COSTS)
# Shops of other proportions, to separate the costs of an event, a customer and a product. The cost of a product is small next to the fixed
# cost of a recommendation, so it takes many products to measure it.
OTHER_FACTORS = {"products": 40, "days": 4}
# Steps that share a process
PROCESSES = (
    ("load_products", "load_customers", "load_orders", "import_events", "process_imported", "export"),
    ("refresh", "refresh_next_day"),
    ("fit",),
    ("funnel", "sizes"),
    ("ingest", "process"),
    ("serve",),
    ("send",),
)
STEPS = tuple(step for group in PROCESSES for step in group)
# The memory and the time that a refresh needs per customer are small compared with the fixed part, so one more shop has many customers,
# but no events, whose import would take most of the time.
REFRESH_FACTOR = 40
REFRESH_STEPS = ("load_products", "load_customers", "load_orders", "refresh", "refresh_next_day")
# What the other steps need beforehand
NEEDED = {
    "process_imported": ("load_products", "load_customers", "load_orders", "import_events"),
    "export": ("process_imported",),
    "refresh": ("process_imported",),
    "refresh_next_day": ("refresh",),
    "fit": ("export",),
    "funnel": ("export",),
    "sizes": STEPS[:9],
    "ingest": ("load_products", "load_customers"),
    "process": ("ingest",),
    "serve": ("fit",),
    "send": ("load_customers",),
}


def main() -> None:
    arguments = parse_arguments()
    began = time.monotonic()
    steps = list_steps(arguments.only, with_sizes=bool(arguments.costs))
    plan: ShopPlan = arguments.plan
    with tempfile.TemporaryDirectory(prefix="perennial-growth-") as name, SpeedSampler() as sampler:
        folder = arguments.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # PostgreSQL runs as another user
        template = make_template(folder / "template")
        log("The smallest shop runs once unmeasured, which compiles the kernels")
        measure_shop(
            replace(plan, customers=plan.customers * min(arguments.factors)), folder / "first", steps, template
        )
        warm_up = measure_shop(replace(plan, customers=arguments.warm_up), folder / "warm-up", steps, template)
        shops = [
            measure_shop(replace(plan, customers=plan.customers * factor), folder / str(factor), steps, template)
            for factor in arguments.factors
        ]
        others = [
            measure_shop(
                replace(plan, **{name: getattr(plan, name) * factor}), folder / f"more-{name}", steps, template
            )
            for name, factor in OTHER_FACTORS.items()
            if arguments.costs
        ]
        if arguments.costs:
            many = replace(plan, customers=plan.customers * REFRESH_FACTOR)
            others.append(measure_shop(many, folder / "more-customers", REFRESH_STEPS, template))
    for shop in (warm_up, *shops, *others):
        remove_slowness(shop, sampler)
    line = summarize(arguments.only, warm_up, shops) | {"usual_work_s": sampler.compute_usual_seconds()}
    if arguments.docs:
        write_growth_charts(line["costs"], arguments.docs)
    if arguments.costs:
        from benchmarks.capacity_costs import write_costs

        write_costs(arguments.costs, [warm_up, *shops, *others], line)
    print(
        json.dumps({**line, "seconds": round(time.monotonic() - began), "load_average": round(os.getloadavg()[0], 2)})
    )


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="customers of the shop at 1 ×")
    parser.add_argument("--products", type=int, default=PRODUCTS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help="customers of the shop whose cost is subtracted")
    parser.add_argument("--factors", type=int, nargs="+", default=FACTORS)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), help="measure only these costs")
    parser.add_argument("--folder", type=Path, help="keep the files and the servers' data here")
    parser.add_argument(
        "--docs", type=Path, metavar="FOLDER", help="write the charts of docs/capacity.md to this folder"
    )
    parser.add_argument("--costs", type=Path, metavar="FILE", help="replace the costs that benchmarks.capacity uses")
    arguments = parser.parse_args(words)
    if len(set(arguments.factors)) < 2 or min(arguments.factors) < 1:
        parser.error("--factors needs at least two different numbers from 1")
    if not 100 <= arguments.warm_up < arguments.customers:
        parser.error(f"--warm-up must be at least 100 and below --customers, got {arguments.warm_up}")
    if arguments.costs and set(arguments.only) != set(NAMES):
        parser.error("--costs needs all costs; leave out --only")
    arguments.plan = check_plans(parser, arguments)
    return arguments


def check_plans(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> ShopPlan:
    """Return the plan of the shop at 1 ×; exit with a usage error if it, or a larger one, is impossible."""
    numbers = {name: getattr(arguments, name) for name in ("customers", "products", "days", "seed")}
    plan = make_plan(parser, **numbers, until=UNTIL)
    largest = {"customers": max(arguments.factors)}
    if arguments.costs:
        largest = {**OTHER_FACTORS, "customers": max(largest["customers"], REFRESH_FACTOR)}
    for name, factor in largest.items():
        make_plan(parser, **{**numbers, name: numbers[name] * factor}, until=UNTIL)
    make_plan(parser, **{**numbers, "seed": plan.seed + 1}, until=UNTIL)  # of the live events
    return plan


def list_steps(only: Sequence[str], *, with_sizes: bool) -> list[str]:
    """Return the steps that these costs need, in their order."""
    wanted = {cost.step for cost in COSTS if cost.name in only} | ({"sizes"} if with_sizes else set())
    waiting = list(wanted)
    while waiting:
        added = set(NEEDED.get(waiting.pop(), ())) - wanted
        wanted |= added
        waiting += added
    return [step for step in STEPS if step in wanted]


def measure_shop(plan: ShopPlan, folder: Path, steps: Sequence[str], template: Path) -> Figures:
    """Return the units of a shop and the figures of its steps. template: the folder of servers to copy."""
    copy_template(template, folder)
    counts = run_shop_steps(["write"], plan, folder)["write"]
    shop: Figures = {
        "plan": plan.to_dict(),
        **{name: counts[name] for name in ("customers", "products", "orders", "events")},
    }
    if "import_events" not in steps:
        shop["events"] = 0  # in the files only
    with run_shop_servers(folder):
        for group in PROCESSES:
            if own := [step for step in group if step in steps]:
                figures = run_shop_steps(own, plan, folder)
                for step in own:
                    shop[step] = figures[step]
                    log(f"{plan.customers:,} customers, {step}: {json.dumps(shop[step])}")
    for name, step, key in (
        ("interactions", "fit", "interactions"),
        ("live_events", "ingest", "sent"),
        ("emails", "send", "emails"),
    ):
        if step in shop:
            shop[name] = shop[step][key]
    return shop


def remove_slowness(shop: Figures, sampler: SpeedSampler, usual_seconds: float | None = None) -> None:
    """Divide the processor times of the shop's steps by the slowness of the machine at that time, which is added to each step.

    usual_seconds: see SpeedSampler.compute_slowness.
    """
    for step in STEPS:
        figures = shop.get(step)
        if figures and "began_at" in figures:
            slowness = sampler.compute_slowness(figures.pop("began_at"), figures.pop("ended_at"), usual_seconds)
            for name in figures:
                if name.endswith(("cpu_s", "_us")):
                    figures[name] = round(figures[name] / slowness, 3)
            figures["slowness"] = round(slowness, 3)


def summarize(only: Sequence[str], warm_up: Figures, shops: Sequence[Figures]) -> dict[str, Any]:
    """Return the exponents of the costs, and per cost the units and figures at each size."""
    line: dict[str, Any] = {"customers": [shop["customers"] for shop in shops]}
    costs: dict[str, Any] = {}
    for cost in COSTS:
        if cost.name not in only:
            continue
        units = [shop[cost.units] for shop in shops]
        values = [shop[cost.step][cost.measure] for shop in shops]
        fixed_units, fixed = warm_up[cost.units], warm_up[cost.step][cost.measure]
        line[f"{cost.name}_exponent"] = fit_exponent(units, values)
        if cost.is_batch:
            line[f"{cost.name}_net_exponent"] = (
                fit_exponent([unit - fixed_units for unit in units], [value - fixed for value in values])
                if values[-1] >= NET_RATIO * fixed
                else None
            )
        line[f"{cost.name}_last_exponent"] = fit_exponent(units[-2:], values[-2:])
        costs[cost.name] = {
            "units": [fixed_units, *units],
            "unit": cost.units,
            "values": [fixed, *values],
            "measure": cost.measure,
            **{
                key: [shop[cost.step].get(key) for shop in (warm_up, *shops)]
                for key in ("seconds", "postgres_cpu_s", "peak_mb", "p50_ms", "slowness")
                if key in shops[0][cost.step]
            },
        }
    batch = [cost for cost in COSTS if cost.name in costs and cost.is_batch]
    line["worst_batch_exponent"] = max((line[f"{cost.name}_exponent"] for cost in batch), default=None)
    line["worst_batch_measured_exponent"] = max(
        (
            fit_exponent(
                [shop[cost.units] for shop in shops],
                [shop[cost.step][cost.measure] * shop[cost.step].get("slowness", 1) for shop in shops],
            )
            or 0.0
            for cost in batch
        ),
        default=None,
    )
    return line | {"costs": costs}


def fit_exponent(units: Sequence[float], values: Sequence[float]) -> float | None:
    """Return the slope of log(value) against log(units), by least squares; None if a value is not above 0."""
    if min(*units, *values) <= 0:
        return None
    slope = float(np.polyfit([math.log(unit) for unit in units], [math.log(value) for value in values], 1)[0])
    return round(slope, 3)


if __name__ == "__main__":
    main()
