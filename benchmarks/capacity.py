"""Predict the processors, memory, disk and Valkey that a shop needs, from its numbers and the measured costs.

    python -m benchmarks.capacity --customers N --events-per-day E [--products M] [--days D] [--requests-per-day R] [--emails-per-day S] …
    python -m benchmarks.capacity --table          # 100,000 to 100 million customers, and where one machine is outgrown
    python -m benchmarks.capacity --check          # measure three shops and compare: at most 25% apart
    python -m benchmarks.capacity --docs docs      # write the tables of docs/capacity.md

Tables go to standard error, one JSON line to standard output. The costs are those of benchmarks/capacity_costs.json, which
`python -m benchmarks.growth --costs benchmarks/capacity_costs.json` measures on your machine.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.capacity_costs import (
    COSTS_FILE,
    FORMULAS,
    add_result,
    describe_large_shop,
    get_measured,
    get_sizes,
    predict_cost,
    read_costs,
)

DAY_SECONDS = 86_400
MAX_ERROR = 0.25
TABLE_CUSTOMERS = (100_000, 1_000_000, 10_000_000, 100_000_000)
DOCS_FILES = {"capacity.md": 0, "capacity.zh-hans.md": 1}  # column of the texts in benchmarks.capacity_docs
CHECKED_SHOPS = ((2_000, 600, 90), (5_000, 900, 60), (8_000, 500, 80))  # customers, products, days
GB = 1e9
IMPORT_COSTS = tuple(
    f"{step}_{part}_cpu_s"
    for step in ("load_customers", "load_orders", "import_events", "process_imported")
    for part in ("app", "postgres")
)


@dataclass(frozen=True)
class ShopNumbers:
    """What a shop knows about itself. days: how long events are kept; peak: ratio of the busiest hour to the daily average."""

    customers: float
    products: float
    events_per_day: float
    lines_per_day: float
    days: float
    requests_per_day: float
    emails_per_day: float
    peak: float

    @classmethod
    def of_customers(cls, customers: float) -> "ShopNumbers":
        """Return a shop with the habits of the simulated one, for the table."""
        return cls(
            customers=customers,
            products=max(1_000.0, min(customers / 50, 1_000_000.0)),
            events_per_day=0.5 * customers,
            lines_per_day=0.06 * customers,
            days=365,
            requests_per_day=0.3 * customers,
            emails_per_day=customers / 7,
            peak=4,
        )


@dataclass(frozen=True)
class MachineSize:
    """A machine, and the share of its processors that may be busy in the busiest hour.

    night_hours: time for the jobs that run once a day, on one core; they start one after the other.
    """

    cores: int
    memory_gb: float
    disk_gb: float
    busy: float = 0.6
    night_hours: float = 6


def main() -> None:
    arguments = parse_arguments()
    costs = read_costs(arguments.costs)
    machine = MachineSize(arguments.cores, arguments.memory_gb, arguments.disk_gb)
    if arguments.docs:
        from benchmarks.capacity_docs import write_docs

        write_docs(costs, arguments.docs)
        print(json.dumps({"docs": str(arguments.docs), "date": costs["date"]}))
    elif arguments.check:
        result = check_model(costs, arguments.folder)
        add_result(arguments.costs, "check", result)
        print(json.dumps(result))
    elif arguments.table:
        print(json.dumps(make_table(costs, machine)))
    else:
        shop = read_numbers(arguments)
        needs = predict_needs(costs["costs"], shop, arguments.interactions_per_event)
        report_needs(costs, needs, machine)
        print(json.dumps({"date": costs["date"], "machine": costs["machine"], **needs, **assess_needs(needs, machine)}))


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=float)
    parser.add_argument("--products", type=float)
    parser.add_argument("--events-per-day", type=float)
    parser.add_argument("--lines-per-day", type=float, help="order lines")
    parser.add_argument("--days", type=float, help="how many days events are kept (default 365)")
    parser.add_argument("--requests-per-day", type=float, help="for recommendations and search")
    parser.add_argument("--emails-per-day", type=float)
    parser.add_argument("--peak", type=float, help="ratio of the busiest hour to the daily average (default 4)")
    parser.add_argument(
        "--interactions-per-event", type=float, default=None, help="product interactions that training learns from"
    )
    parser.add_argument("--cores", type=int, default=16, help="cores of one machine (default 16)")
    parser.add_argument("--memory-gb", type=float, default=64)
    parser.add_argument("--disk-gb", type=float, default=2_000)
    parser.add_argument("--costs", type=Path, default=COSTS_FILE)
    parser.add_argument("--table", action="store_true", help="predict 100,000 to 100 million customers instead")
    parser.add_argument(
        "--check", action="store_true", help="measure three shops and compare them with the prediction instead"
    )
    parser.add_argument(
        "--docs", type=Path, metavar="FOLDER", help="write the tables of docs/capacity.md from the costs instead"
    )
    parser.add_argument("--folder", type=Path, help="with --check: keep the shops here")
    arguments = parser.parse_args(words)
    if not (arguments.table or arguments.check or arguments.docs) and arguments.customers is None:
        parser.error("--customers is missing; or use --table, --check or --docs")
    if arguments.docs and (missing := [name for name in DOCS_FILES if not (arguments.docs / name).is_file()]):
        parser.error(f"--docs {arguments.docs} does not contain {missing[0]}")
    for name in (
        "customers",
        "products",
        "events_per_day",
        "lines_per_day",
        "days",
        "requests_per_day",
        "emails_per_day",
        "peak",
        "interactions_per_event",
    ):
        value = getattr(arguments, name)
        if value is not None and not 0 <= value <= 1e12:
            parser.error(f"--{name.replace('_', '-')} must be between 0 and 1,000,000,000,000, got {value:g}")
    for name in ("cores", "memory_gb", "disk_gb"):
        value = getattr(arguments, name)
        if not 0 < value <= 1e12:
            parser.error(f"--{name.replace('_', '-')} must be above 0 and at most 1,000,000,000,000, got {value:g}")
    return arguments


def read_numbers(arguments: argparse.Namespace) -> ShopNumbers:
    """Return the given numbers, completed with those of a simulated shop with this number of customers."""
    shop = ShopNumbers.of_customers(arguments.customers)
    stated = {name: getattr(arguments, name) for name in vars(shop) if getattr(arguments, name) is not None}
    return replace(shop, **stated)


def predict_needs(
    costs: Mapping[str, Mapping[str, float]], shop: ShopNumbers, interactions_per_event: float | None
) -> dict[str, float]:
    """Return what a shop needs: processors in the busiest hour, hours of one processor at night, gigabytes."""
    events = shop.events_per_day * shop.days
    ratio = interactions_per_event if interactions_per_event is not None else costs["interactions_per_event"]["fixed"]
    sizes = {
        "customers": shop.customers,
        "products": shop.products,
        "events": events,
        "lines": shop.lines_per_day * shop.days,
        "interactions": events * ratio,
        "live_events": shop.events_per_day,
        "emails": shop.emails_per_day,
    }

    def predict(name: str) -> float:
        return predict_cost(costs[name], sizes)

    def predict_rate(name: str) -> float:
        """Return a daily cost as processors in the busiest hour, without its fixed part, which is the cost of starting."""
        return (predict(name) - costs[name]["fixed"]) / DAY_SECONDS * shop.peak

    requests = shop.requests_per_day / DAY_SECONDS * shop.peak
    web = predict_rate("ingest_web_cpu_s") + requests * predict("request_web_cpu_us") / 1e6
    worker = predict_rate("process_app_cpu_s") + predict_rate("sending_cpu_s")
    postgres = predict_rate("ingest_postgres_cpu_s") + predict_rate("process_postgres_cpu_s")
    postgres += requests * predict("request_valkey_cpu_us") / 1e6
    night = {
        "refresh_hours": (predict("refresh_app_cpu_s") + predict("refresh_postgres_cpu_s")) / 3600,
        "training_hours": predict("training_cpu_s") / 3600,
        "export_hours": predict_cost(costs["export_cpu_s"], {**sizes, "events": shop.events_per_day}) / 3600,
    }
    disk = [name for name in costs if name.startswith("postgres_") and name.endswith("_bytes")]
    return {
        **vars(shop),
        "events": events,
        "web_cores": web,
        "worker_cores": worker,
        "postgres_cores": postgres,
        "processing_events_per_s": events_per_second(costs["process_app_cpu_s"], costs["process_postgres_cpu_s"]),
        "peak_events_per_s": shop.events_per_day / DAY_SECONDS * shop.peak,
        "peak_requests_per_s": requests,
        **night,
        "night_hours": sum(night.values()),
        "import_hours": sum(map(predict, IMPORT_COSTS)) / 3600,
        "funnel_cpu_s": predict("funnel_cpu_s"),
        "refresh_gb": predict("refresh_mb") / 1000,
        "training_gb": predict("training_mb") / 1000,
        "web_gb": predict("web_mb") / 1000,
        "valkey_gb": predict("valkey_bytes") / GB,
        "postgres_gb": sum(map(predict, disk)) / GB,
        "warehouse_gb": predict("warehouse_bytes") / GB,
        "model_gb": predict("model_bytes") / GB,
    }  # fmt: skip


def events_per_second(*costs: Mapping[str, float]) -> float:
    """Return how many events per second one processing loop can handle; its own time and PostgreSQL's add up."""
    return 1 / sum(cost["live_events"] for cost in costs)


@dataclass(frozen=True)
class CapacityPart:
    """A part of the installation, and the share that it uses of a machine of its own."""

    name: str
    get_share: Callable[[Mapping[str, float], MachineSize], float]
    beyond: str


PARTS = (
    CapacityPart("web", lambda needs, size: max(needs["web_cores"] / (size.cores * size.busy), needs["web_gb"] / (size.memory_gb * 0.7)),
                 "add web machines behind the proxy; each keeps the model in memory"),
    CapacityPart("processing", lambda needs, size: needs["peak_events_per_s"] / (needs["processing_events_per_s"] * size.busy),
                 "the single processing loop is at its limit in the busiest hour; a backlog builds up and is worked off afterwards"),
    CapacityPart("postgres", lambda needs, size: max(needs["postgres_cores"] / (size.cores * size.busy), needs["postgres_gb"] / (size.disk_gb * 0.7)),
                 "shorter retention of events, or a larger machine"),
    CapacityPart("valkey", lambda needs, size: needs["valkey_gb"] / (size.memory_gb * 0.5),
                 "a larger machine for Valkey; Valkey Cluster is not supported"),
    CapacityPart("refresh", lambda needs, size: max(needs["refresh_hours"] / size.night_hours, needs["refresh_gb"] / (size.memory_gb * 0.7)),
                 "compute purchase histories on Spark (WAREHOUSE_ENGINE=spark), or use a larger machine"),
    CapacityPart("training", lambda needs, size: max(needs["training_hours"] / size.night_hours, needs["training_gb"] / (size.memory_gb * 0.7)),
                 "raise TRAINING_MEMORY_MB on a larger machine, train on fewer days of history, or use Spark"),
    CapacityPart("night", lambda needs, size: needs["night_hours"] / size.night_hours,
                 "the jobs take longer than six hours in total; see refresh and training"),
    CapacityPart("warehouse", lambda needs, size: needs["warehouse_gb"] / (size.disk_gb * 0.7),
                 "use a network folder (WAREHOUSE_URL)"),
)  # fmt: skip


def assess_needs(needs: Mapping[str, float], machine: MachineSize) -> dict[str, Any]:
    """Return the share of one machine that each part uses; above 1, it needs more machines, or the remedy in `beyond`."""
    return {"share_of_one_machine": {part.name: round(part.get_share(needs, machine), 3) for part in PARTS}}


def report_needs(costs: Mapping[str, Any], needs: Mapping[str, float], machine: MachineSize) -> None:
    log(f"Costs of {costs['date']}: {costs['machine']}")
    for name, value in needs.items():
        log(
            f"{name.replace('_', ' '):<28}{value:>18,.3f}"
            if value < 100
            else f"{name.replace('_', ' '):<28}{value:>18,.0f}"
        )
    log(f"\nShare of one machine with {machine.cores} cores, {machine.memory_gb:g} GB, {machine.disk_gb:g} GB of disk:")
    for part in PARTS:
        share = part.get_share(needs, machine)
        log(f"{part.name:<28}{share:>18.1%}" + (f"  → {part.beyond}" if share > 1 else ""))


def make_table(costs: Mapping[str, Any], machine: MachineSize) -> dict[str, Any]:
    """Return the needs of shops of all sizes, and the number of customers at which each part fills one machine."""
    rows = [predict_needs(costs["costs"], ShopNumbers.of_customers(customers), None) for customers in TABLE_CUSTOMERS]
    log(f"Costs of {costs['date']}: {costs['machine']}\n")
    log("| | " + " | ".join(f"{row['customers']:,.0f}" for row in rows) + " |")
    log("|---" * (len(rows) + 1) + "|")
    for name in rows[0]:
        if name != "customers":
            log(f"| {name.replace('_', ' ')} | " + " | ".join(format_number(row[name]) for row in rows) + " |")
    limits = {part.name: find_limit(costs["costs"], part, machine) for part in PARTS}
    log(
        f"\n| part | one machine ({machine.cores} cores, {machine.memory_gb:g} GB) is enough up to | beyond that |\n|---|---|---|"
    )
    for part in PARTS:
        limit = limits[part.name]
        log(f"| {part.name} | {describe_limit(limit)} | {part.beyond} |")
    return {"date": costs["date"], "machine": costs["machine"], "rows": rows, "limits": limits}


def format_number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def describe_limit(limit: float | None, language: int = 0) -> str:
    """Return a result of find_limit in English or Chinese (1)."""
    if limit is None:
        return ("never, up to 10⁹ customers", "10⁹ 以内不会")[language]
    if limit < 1:
        return ("already too small", "已经不够用")[language]
    return (f"{limit:,.0f} customers", f"{limit:,.0f} 位客户")[language]


def find_limit(costs: Mapping[str, Mapping[str, float]], part: CapacityPart, machine: MachineSize) -> float | None:
    """Return the number of customers at which the part fills one machine, rounded to two digits.

    None above a billion; 0 if the machine is too small for a shop with a single customer.
    """
    low, high = 1.0, 1e9
    if part.get_share(predict_needs(costs, ShopNumbers.of_customers(high), None), machine) <= 1:
        return None
    if part.get_share(predict_needs(costs, ShopNumbers.of_customers(low), None), machine) > 1:
        return 0.0
    while high / low > 1.005:
        middle = (low * high) ** 0.5
        if part.get_share(predict_needs(costs, ShopNumbers.of_customers(middle), None), machine) <= 1:
            low = middle
        else:
            high = middle
    return float(f"{low:.2g}")


def check_model(costs: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """Measure three shops of other sizes and proportions than those of the costs, and compare.

    Processor times are converted to the speed that the machine had when the costs were measured.
    """
    from benchmarks.growth import STEPS, measure_shop, remove_slowness
    from benchmarks.machine_speed import SpeedSampler
    from benchmarks.shop_steps import UNTIL, make_template
    from config.simulation.plan import ShopPlan

    shops = []
    with tempfile.TemporaryDirectory(prefix="perennial-capacity-") as name, SpeedSampler() as sampler:
        root = folder or Path(name)
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o711)
        template = make_template(root / "template")
        for customers, products, days in CHECKED_SHOPS:
            plan = ShopPlan(customers, products, days, 7, UNTIL)
            shops.append(measure_shop(plan, root / str(customers), STEPS, template))
    for shop in shops:
        remove_slowness(shop, sampler, costs["growth"].get("usual_work_s"))
    return compare_with_prediction(costs, shops)


TOTALS = {
    "cpu_s": lambda name: name.endswith("_cpu_s"),
    "postgres_bytes": lambda name: name.startswith("postgres_") and name.endswith("_bytes"),
    "valkey_bytes": lambda name: name == "valkey_bytes",
    "warehouse_bytes": lambda name: name == "warehouse_bytes",
    "memory_mb": lambda name: name.endswith("_mb"),
    "request_us": lambda name: name == "request_web_cpu_us",
}


def compare_with_prediction(costs: Mapping[str, Any], shops: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return predicted and measured totals of each shop, with the relative error."""
    lines, worst = [], 0.0
    log("| customers | what | predicted | measured | error |\n|---|---|---|---|---|")
    for shop in shops:
        sizes = get_sizes(shop)
        line: dict[str, Any] = {"customers": shop["customers"], "events": shop["events"]}
        for total, belongs in TOTALS.items():
            names = [name for name in FORMULAS if belongs(name)]
            predicted = sum(predict_cost(costs["costs"][name], sizes) for name in names)
            measured = sum(get_measured(shop, FORMULAS[name]) for name in names)
            error = predicted / measured - 1
            worst = max(worst, abs(error))
            line[total] = {"predicted": round(predicted, 2), "measured": round(measured, 2), "error": round(error, 3)}
            log(
                f"| {shop['customers']:,} | {total} | {format_number(predicted)} | {format_number(measured)} | {error:+.0%} |"
            )
        line["slowness"] = {
            step: figures["slowness"]
            for step, figures in shop.items()
            if isinstance(figures, dict) and "slowness" in figures
        }
        line["each"] = {
            name: round(predict_cost(costs["costs"][name], sizes) / max(get_measured(shop, formula), 1e-9) - 1, 3)
            for name, formula in FORMULAS.items()
        }
        lines.append(line)
    return {
        "date": costs["date"],
        "machine": costs["machine"],
        "worst_error": round(worst, 3),
        "allowed": MAX_ERROR,
        "shops": lines,
    }


LARGE_TOTALS = {
    "import_cpu_s": (IMPORT_COSTS, ("load", "total_cpu_s")),
    "export_cpu_s": (("export_cpu_s",), ("export", "total_cpu_s")),
    "training_cpu_s": (("training_cpu_s",), ("fit", "total_cpu_s")),
    "valkey_bytes": (("valkey_bytes",), ("sizes", "valkey_bytes")),
    "warehouse_bytes": (("warehouse_bytes",), ("sizes", "warehouse_bytes")),
    "refresh_mb": (("refresh_mb",), ("refresh", "peak_mb")),
    "training_mb": (("training_mb",), ("fit", "peak_mb")),
    "request_us": (("request_web_cpu_us",), ("serve", "cpu_us")),
}


def compare_large_shop(costs: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return what was predicted and measured for the shop of benchmarks.large; nothing without such a run.

    Its times are as measured: unlike those of the check, they are not divided by the slowness of the machine.
    """
    large = costs.get("large")
    if not large:
        return {}
    stages = large["stages"]
    sizes = get_sizes(describe_large_shop(large))
    totals: dict[str, tuple[float, float]] = {
        total: (sum(predict_cost(costs["costs"][name], sizes) for name in names), float(stages[stage][measure]))
        for total, (names, (stage, measure)) in LARGE_TOTALS.items()
    }
    tables = [name for name in FORMULAS if name.startswith("postgres_") and name.endswith("_bytes")]
    totals["postgres_bytes"] = (
        sum(predict_cost(costs["costs"][name], sizes) for name in tables),
        sum(get_measured(stages, FORMULAS[name]) for name in tables),
    )
    return {
        total: {"predicted": predicted, "measured": measured, "error": predicted / measured - 1}
        for total, (predicted, measured) in totals.items()
    }


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
