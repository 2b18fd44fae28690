"""Lifecycle stages on real orders: the share of customers who order again after a cutoff, per stage, and how often stages change.

    python -m benchmarks.stages FILE [--horizon D] [--customer … --date … --value …] [--cuts test|validation]

FILE: a CSV or Parquet file of orders or order lines, Online Retail (recognized by its columns), completejourney, made (see
benchmarks.order_files) or cdnow (the sample inside `lifetimes`); --value can be left out. Rules are measured on the orders before each of three
cutoffs, half a horizon apart; the last one is a horizon before the end of the data. The validation cutoffs, on which the defaults were
chosen, are two horizons earlier. A cutoff is ordered if the share that orders again within the horizon falls strictly from active and loyal
(returned_active) to at risk, dormant and churned. Keys of a cutoff are lists, earliest first; without "cutoffs" they are of the latest one.
changes_per_customer_year: median over the customers who had ordered before a window of up to a year that ends at the last cutoff, by the
rules measured at its start. quantile_rule_…: the rules of earlier releases on the same orders.
"""

import argparse
import json
import os
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.clv import read_cdnow, to_microseconds
from benchmarks.neighbours import get_peak_mb, log
from benchmarks.order_files import COMPLETE_JOURNEY, MADE, ONLINE_RETAIL, parse_online_retail, read_orders
from config.foundation.array_types import NEVER, Flags, Ints
from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.propensity.features.event_facts import OrderLines, collect_order_lines
from customers.lifecycle.scoring.stages.derivation import OrderHistories, StageHistories, StageThresholds, derive_stages
from customers.lifecycle.scoring.stages.order_gaps import DAY
from customers.lifecycle.scoring.stages.stage_table import STAGES

CDNOW = "cdnow"
GROUPS = {"active": ("active", "loyal"), "at_risk": ("at_risk",), "dormant": ("dormant",), "churned": ("churned",)}
OTHERS = ("new", "reactivated")
N_CUTS = 3
MIN_HORIZON, MAX_HORIZON_SHARE = 28, 0.2  # of the default horizon: in days, and as a share of the data
YEAR = 365


def main() -> None:
    arguments = parse_arguments()
    histories = build_histories(read_lines(arguments))
    orders = histories.at[histories.is_order]
    start_at, end_at = int(orders.min()), int(orders.max()) + 1
    days = (end_at - start_at) / DAY
    horizon = arguments.horizon or choose_horizon(histories, days)
    log(f"{len(histories.customer):,} customers, {len(orders):,} orders, {days:.0f} days, horizon {horizon} days")
    cuts = list_cuts(start_at, end_at, horizon, arguments.cuts)
    line: dict[str, Any] = {
        "customers": len(histories.customer),
        "orders": len(orders),
        "days": round(days, 1),
        "horizon_days": horizon,
        "cuts": len(cuts),
        "cut_days": [round((cut - start_at) / DAY) for cut in cuts],
    }
    for prefix, method in (("", "false_alarms"), ("quantile_rule_", "quantiles")):
        figures = evaluate_method(histories, cuts, horizon, method)
        line |= {f"{prefix}{key}": value for key, value in figures.items()}
    line |= {"refresh_s": time_refresh(histories, cuts[-1]), "peak_mb": get_peak_mb(), "notes": NOTE}
    print(json.dumps(line))


NOTE = (
    "returned_*: share that orders again within the horizon, null for a stage without customers; refresh_s: measuring the rules and deriving "
    "the stages and all changes of all customers at the last cutoff; categories of products are not used"
)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="a .csv or .parquet file, completejourney, cdnow or made")
    parser.add_argument(
        "--horizon", type=int, metavar="DAYS", help="default: the 90%% quantile of the gaps, at least 28 days"
    )
    parser.add_argument("--customer", default="customer_id")
    parser.add_argument("--date", default="date")
    parser.add_argument("--value", default="", help="amount of a line; without it, no customer is loyal by revenue")
    parser.add_argument("--cuts", choices=["test", "validation"], default="test")
    arguments = parser.parse_args()
    if arguments.horizon is not None and arguments.horizon < 1:
        parser.error(f"--horizon must be at least 1, got {arguments.horizon}")
    return arguments


def read_lines(arguments: argparse.Namespace) -> OrderLines:
    """Read the order lines. Errors: SystemExit for an unreadable file or missing columns."""
    if arguments.file in (COMPLETE_JOURNEY, MADE):
        return read_orders(arguments.file, customer="", date="", value="", customers=5000, seed=1)
    if arguments.file == CDNOW:
        customer, at, value = read_cdnow()
        return collect_lines(customer, at, value)
    path = Path(arguments.file)
    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else pa.csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as problem:
        sys.exit(f"{path} cannot be read as {'Parquet' if path.suffix == '.parquet' else 'CSV'}: {problem}")
    if set(table.column_names) >= ONLINE_RETAIL:
        return parse_online_retail(table)
    names = [name for name in (arguments.customer, arguments.date, arguments.value) if name]
    missing = [name for name in names if name not in table.column_names]
    if missing:
        sys.exit(f"{path} has no column {', '.join(missing)}; it has {', '.join(table.column_names)}")
    table = table.select(names).drop_null()
    value = table[arguments.value].cast(pa.float64()).to_numpy() if arguments.value else np.zeros(len(table))
    return collect_lines(
        np.asarray(table[arguments.customer].to_pylist()), to_microseconds(table[arguments.date]), value
    )


def collect_lines(customer: "np.ndarray", at: Ints, value: "np.ndarray") -> OrderLines:
    ids, row = np.unique(customer, return_inverse=True)
    return collect_order_lines(n_customers=len(ids), customer=row, at=at, value=value, clock=UTC_CLOCK)


def build_histories(lines: OrderLines) -> OrderHistories:
    """Return the orders and returns of customers with an order; lines of one moment are one document."""
    customer = lines.get_line_customers()
    key = np.stack([customer, lines.at, lines.is_return])
    is_first = np.concatenate(([True], (np.diff(key) != 0).any(axis=0)))
    document = np.cumsum(is_first) - 1
    signed = np.where(lines.is_return, -lines.value, lines.value)
    owner, at, is_order = customer[is_first], lines.at[is_first], ~lines.is_return[is_first]
    amount = np.rint(np.bincount(document, signed) * 100).astype(np.int64)
    buys = np.bincount(owner[is_order], minlength=lines.n_customers) > 0
    kept = buys[owner]
    counts = np.bincount(owner[kept], minlength=lines.n_customers)[buys]
    start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    at = at[kept]
    n = len(counts)
    return OrderHistories(
        np.arange(n), at[start[:-1]], np.full(n, NEVER), start, at, amount[kept], is_order[kept], clock=UTC_CLOCK
    )


def select_known(histories: OrderHistories, as_of: int) -> OrderHistories:
    """Return the facts before a moment of the customers known then."""
    owner = np.repeat(np.arange(len(histories.customer)), np.diff(histories.start))
    known = histories.known_at < as_of
    kept = histories.at < as_of
    counts = np.bincount(owner[kept], minlength=len(known))[known]
    start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return OrderHistories(
        histories.customer[known],
        histories.known_at[known],
        histories.identified_at[known],
        start,
        histories.at[kept],
        histories.amount[kept],
        histories.is_order[kept],
        clock=UTC_CLOCK,
    )


def choose_horizon(histories: OrderHistories, days: float) -> int:
    from customers.lifecycle.stages.rules import measure_shop_gaps

    longest = measure_shop_gaps(histories).dormant_gap_days
    return max(1, int(min(max(np.ceil(longest), MIN_HORIZON), days * MAX_HORIZON_SHARE)))


def list_cuts(start_at: int, end_at: int, horizon: int, kind: str) -> list[int]:
    """Return the cutoffs, earliest first. Errors: SystemExit if the data are too short."""
    latest = end_at - horizon * (1 if kind == "test" else 3) * DAY
    cuts = [latest - index * horizon * DAY // 2 for index in reversed(range(N_CUTS))]
    if cuts[0] - start_at < horizon * DAY:
        sys.exit(
            f"{(end_at - start_at) / DAY:.0f} days are too few for the {kind} cutoffs of a horizon of {horizon} days; lower --horizon"
        )
    return cuts


def measure_thresholds(histories: OrderHistories, as_of: int, method: str) -> StageThresholds:
    """Return the rules that the first refresh would measure from the orders before a moment."""
    from customers.lifecycle.facts.histories import from_microseconds
    from customers.lifecycle.models import StageRules
    from customers.lifecycle.stages.rules import (
        get_default_revenue_quantile,
        measure_shop_gaps,
        measure_values,
        to_thresholds,
    )

    values = measure_values(
        histories=histories,
        quantiles=measure_shop_gaps(histories),
        as_of=from_microseconds(as_of),
        revenue_quantile=get_default_revenue_quantile(),
    )
    return to_thresholds(StageRules(version=1, **values | {"method": method}))


def evaluate_method(histories: OrderHistories, cuts: list[int], horizon: int, method: str) -> dict[str, Any]:
    """Return the shares that order again per stage, and the changes per customer and year."""
    shares: dict[str, list[float | None]] = {name: [] for name in (*GROUPS, *OTHERS)}
    counts: dict[str, list[int]] = {name: [] for name in shares}
    for cut in cuts:
        known = select_known(histories, cut)
        thresholds = measure_thresholds(known, cut, method)
        stage = derive_stages(histories=known, versions=[thresholds], as_of=cut).stage
        again = find_returned(histories, known.customer, cut, cut + horizon * DAY)
        for name in shares:
            members = np.isin(stage, [STAGES.index(key) for key in GROUPS.get(name, (name,))])
            counts[name].append(int(members.sum()))
            shares[name].append(round(float(again[members].mean()), 4) if members.any() else None)
        log(f"{method}, day {(cut - histories.at.min()) / DAY:.0f}: {describe_cut(shares, counts)}")
    changes = count_changes(histories, cuts[-1], method)
    return {
        "ordered_cuts": sum(is_ordered([shares[name][index] for name in GROUPS]) for index in range(len(cuts))),
        **{f"returned_{name}": values[-1] for name, values in shares.items()},
        **{f"returned_{name}_cutoffs": values for name, values in shares.items()},
        **{f"customers_{name}_cutoffs": values for name, values in counts.items()},
        "changes_per_customer_year": round(float(np.median(changes)), 3) if len(changes) else None,
        "changes_per_customer_year_mean": round(float(changes.mean()), 3) if len(changes) else None,
        "changes_customers": len(changes),
    }


def describe_cut(shares: dict[str, list[float | None]], counts: dict[str, list[int]]) -> str:
    return ", ".join(f"{name} {values[-1]} of {counts[name][-1]}" for name, values in shares.items())


def is_ordered(shares: list[float | None]) -> bool:
    known = [share for share in shares if share is not None]
    return len(known) == len(shares) and all(high > low for high, low in pairwise(known))


def find_returned(histories: OrderHistories, customer: Ints, since: int, until: int) -> Flags:
    owner = np.repeat(histories.customer, np.diff(histories.start))
    return np.isin(customer, owner[histories.is_order & (histories.at >= since) & (histories.at < until)])


def count_changes(histories: OrderHistories, until: int, method: str) -> "np.ndarray":
    """Return the stage changes per year of each customer who had ordered before the window."""
    start_at = int(histories.at.min())
    days = min(YEAR, (until - start_at) // DAY // 2)
    since = until - days * DAY
    earlier = select_known(histories, since)
    thresholds = measure_thresholds(earlier, since, method)
    stages: StageHistories = derive_stages(histories=select_known(histories, until), versions=[thresholds], as_of=until)
    counted = (stages.at >= since) & (stages.from_stage >= 0) & np.isin(stages.customer, earlier.customer)
    row = np.searchsorted(earlier.customer, stages.customer[counted])
    return np.bincount(row, minlength=len(earlier.customer)) * (YEAR / max(days, 1))


def time_refresh(histories: OrderHistories, as_of: int) -> float:
    known = select_known(histories, as_of)
    start = time.perf_counter()
    thresholds = measure_thresholds(known, as_of, "false_alarms")
    derive_stages(histories=known, versions=[thresholds], as_of=as_of)
    return round(time.perf_counter() - start, 3)


def set_up_django() -> None:
    """Set up the models, without a database."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()


if __name__ == "__main__":
    set_up_django()
    main()
