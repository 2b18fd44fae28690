"""The costs that benchmarks.capacity predicts with: fitted to the shops that benchmarks.growth measured, and kept in one file.

A cost is fixed + Σ coefficient × size, with coefficients of at least 0, by least squares of the relative errors over all measured shops.
"""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy.optimize import nnls

COSTS_FILE = Path(__file__).with_name("capacity_costs.json")

type Sizes = Mapping[str, float]


@dataclass(frozen=True)
class CostFormula:
    """A cost of a step. sizes: the sizes of the shop that it depends on."""

    step: str
    measures: tuple[str, ...]
    sizes: tuple[str, ...]


FORMULAS: dict[str, CostFormula] = {
    # processor seconds
    "load_customers_app_cpu_s": CostFormula("load_customers", ("cpu_s",), ("customers",)),
    "load_customers_postgres_cpu_s": CostFormula("load_customers", ("postgres_cpu_s", "valkey_cpu_s"), ("customers",)),
    "load_orders_app_cpu_s": CostFormula("load_orders", ("cpu_s",), ("lines",)),
    "load_orders_postgres_cpu_s": CostFormula("load_orders", ("postgres_cpu_s",), ("lines",)),
    "import_events_app_cpu_s": CostFormula("import_events", ("cpu_s",), ("events",)),
    "import_events_postgres_cpu_s": CostFormula("import_events", ("postgres_cpu_s",), ("events",)),
    "process_imported_app_cpu_s": CostFormula("process_imported", ("cpu_s",), ("events",)),
    "process_imported_postgres_cpu_s": CostFormula("process_imported", ("postgres_cpu_s", "valkey_cpu_s"), ("events",)),
    "export_cpu_s": CostFormula("export", ("total_cpu_s",), ("events", "customers")),
    "refresh_app_cpu_s": CostFormula("refresh_next_day", ("cpu_s",), ("customers", "events")),
    "refresh_postgres_cpu_s": CostFormula("refresh_next_day", ("postgres_cpu_s",), ("customers", "events")),
    "training_cpu_s": CostFormula("fit", ("total_cpu_s",), ("interactions", "products")),
    "funnel_cpu_s": CostFormula("funnel", ("total_cpu_s",), ("events",)),
    "ingest_web_cpu_s": CostFormula("ingest", ("programs_cpu_s",), ("live_events",)),
    "ingest_postgres_cpu_s": CostFormula("ingest", ("postgres_cpu_s", "valkey_cpu_s"), ("live_events",)),
    "process_app_cpu_s": CostFormula("process", ("cpu_s",), ("live_events",)),
    "process_postgres_cpu_s": CostFormula("process", ("postgres_cpu_s", "valkey_cpu_s"), ("live_events",)),
    "request_web_cpu_us": CostFormula("serve", ("cpu_us",), ("products",)),
    "request_valkey_cpu_us": CostFormula("serve", ("valkey_us",), ()),
    "sending_cpu_s": CostFormula("send", ("total_cpu_s",), ("emails",)),
    # bytes
    "postgres_events_bytes": CostFormula("sizes", ("postgres_events_bytes",), ("events",)),
    "postgres_orders_bytes": CostFormula("sizes", ("postgres_orders_bytes",), ("lines",)),
    "postgres_customers_bytes": CostFormula("sizes", ("postgres_customers_bytes", "postgres_profiles_bytes"), ("customers", "events")),
    "postgres_products_bytes": CostFormula("sizes", ("postgres_products_bytes",), ("products",)),
    "postgres_other_bytes": CostFormula("sizes", ("postgres_other_bytes", "postgres_deliveries_bytes"), ("customers",)),
    "valkey_bytes": CostFormula("sizes", ("valkey_bytes",), ("customers", "events")),
    "warehouse_bytes": CostFormula("sizes", ("warehouse_bytes",), ("events", "customers")),
    "model_bytes": CostFormula("sizes", ("models_bytes",), ("interactions", "products")),
    # memory
    "refresh_mb": CostFormula("refresh", ("peak_mb",), ("customers",)),
    "training_mb": CostFormula("fit", ("peak_mb",), ("interactions", "products")),
    "web_mb": CostFormula("serve", ("workers_mb",), ("interactions", "products")),
    "process_mb": CostFormula("process", ("peak_mb",), ()),
}  # fmt: skip


def get_sizes(shop: Mapping[str, Any]) -> dict[str, float]:
    """Return the sizes of a measured shop; 0 for what was not measured."""
    names = ("customers", "products", "events", "interactions", "live_events", "emails")
    return {**{name: float(shop.get(name, 0)) for name in names}, "lines": float(shop["orders"])}


def get_measured(shop: Mapping[str, Any], formula: CostFormula) -> float:
    return float(sum(shop[formula.step].get(measure, 0) for measure in formula.measures))


def fit_costs(shops: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return per cost its fixed part and its coefficients, from the shops in which its step was measured."""
    ratio = float(np.mean([shop["interactions"] / shop["events"] for shop in shops if "interactions" in shop]))
    return {
        **{
            name: fit_cost(formula, [shop for shop in shops if formula.step in shop])
            for name, formula in FORMULAS.items()
        },
        "interactions_per_event": {"fixed": ratio},
    }


def fit_cost(formula: CostFormula, shops: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    values = np.array([get_measured(shop, formula) for shop in shops])
    sizes = [get_sizes(shop) for shop in shops]
    columns = [[size[name] for name in formula.sizes] for size in sizes]
    matrix = np.column_stack([np.ones(len(shops)), np.array(columns).reshape(len(shops), -1)])
    weights = 1 / np.maximum(values, 1e-3 * max(values.max(), 1e-9))
    scale = matrix.max(axis=0)  # so that all columns have the same scale
    coefficients, _residual = nnls(matrix / scale * weights[:, None], values * weights)
    return dict(zip(("fixed", *formula.sizes), (coefficients / scale).tolist(), strict=True))


def round_costs(costs: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {name: {part: float(f"{value:.6g}") for part, value in cost.items()} for name, cost in costs.items()}


def describe_large_shop(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps of benchmarks.large that are also those of the measured shops, with its sizes."""
    stages = result["stages"]
    sizes = {name: result[name] for name in ("customers", "products", "events")}
    steps = {name: stages[name] for name in ("export", "refresh", "fit")}
    return {**sizes, "orders": result["lines"], "interactions": stages["fit"]["interactions"], **steps}


def predict_cost(cost: Mapping[str, float], sizes: Sizes) -> float:
    """Return the cost of a shop of these sizes."""
    return sum(value if name == "fixed" else value * sizes[name] for name, value in cost.items())


def write_costs(path: Path, shops: Sequence[Mapping[str, Any]], growth: Mapping[str, Any]) -> None:
    """Rewrite the file: date, machine, the fitted costs, the exponents, and the shops that they come from.

    The large shop is kept, and the costs are fitted to it too; the result of checking earlier costs is dropped.
    """
    before = read_costs(path) if path.exists() else {}
    kept = {"large": before["large"]} if "large" in before else {}
    others = [describe_large_shop(result) for result in kept.values()]
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": describe_machine(),
        "load_average": round(os.getloadavg()[0], 2),
        "costs": round_costs(fit_costs([*shops, *others])),
        "growth": dict(growth),
        "shops": list(shops),
    } | kept  # fmt: skip
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def add_result(path: Path, name: str, result: Mapping[str, Any]) -> None:
    """Keep the result of a check or of a large shop with the costs, for the docs; fit the costs to the large shop too."""
    content = read_costs(path) | {name: {**result, "date": datetime.now(UTC).date().isoformat()}}
    if name == "large":
        content["costs"] = round_costs(fit_costs([*content["shops"], describe_large_shop(result)]))
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_costs(path: Path = COSTS_FILE) -> dict[str, Any]:
    """Return the content of the file. Exits if nothing was measured yet, or if it is another file."""
    if not path.exists():
        sys.exit(f"{path} does not exist. Measure the costs: python -m benchmarks.growth --costs {path}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    except ValueError:
        content = None
    if not isinstance(content, dict) or "costs" not in content:
        sys.exit(f"{path} is not a file of costs. Use one that `python -m benchmarks.growth --costs FILE` wrote.")
    return content


def describe_machine() -> str:
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
