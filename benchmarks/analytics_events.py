"""Generated events and orders in the layout of the warehouse.

Visits of a year: a twentieth as many people as events, a few of them with most of the visits (Zipf), six events a visit on average, one or
a few minutes apart. A tenth of the visits add a product, a quarter of those order.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.neighbours import log
from customers.warehouse.tables import EVENTS, ORDERS

START = datetime(2025, 11, 1, tzinfo=UTC)
DAYS = 365
MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS
VIEW, ADD, CHECKOUT, ORDER = "Product Viewed", "Product Added", "Checkout Started", "Order Completed"
# what a visit consists of, besides the steps of an order
BROWSING = {
    "Home": 0.12,
    "Product List Viewed": 0.25,
    "Products Searched": 0.09,
    VIEW: 0.46,
    "Cart Viewed": 0.05,
    "Product Added to Wishlist": 0.03,
}
NAMES = [*BROWSING, ADD, CHECKOUT, ORDER]
PRODUCTS = 20_000


def generate_warehouse(root: Path, *, events: int, seed: int = 18) -> None:
    """Write events and orders of a year to the folder, one file per day."""
    rng = np.random.default_rng(seed)
    people = max(events // 20, 10)
    visits = round(events / 5.7)  # a few more than needed
    lengths = rng.geometric(1 / 5.72, visits)
    starts = rng.integers(0, DAYS * DAY - DAY // 8, visits)
    # a third of the visits belong to regular visitors
    regulars = np.minimum((people * rng.power(0.35, visits)).astype(np.int64), people - 1)
    visitor = np.where(rng.random(visits) < 0.35, regulars, rng.integers(0, people, visits)) + 1
    is_adding = rng.random(visits) < 0.10
    is_ordering = is_adding & (rng.random(visits) < 0.25)
    lengths = lengths + is_adding + 2 * is_ordering
    visits = int(np.searchsorted(np.cumsum(lengths), events)) + 1
    order = np.argsort(starts[:visits], kind="stable")
    lengths, starts, visitor = lengths[:visits][order], starts[:visits][order], visitor[:visits][order]
    is_adding, is_ordering = is_adding[:visits][order], is_ordering[:visits][order]
    visit = np.repeat(np.arange(visits), lengths)
    position = np.arange(len(visit)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    left = lengths[visit] - 1 - position
    code = rng.choice(len(BROWSING), len(visit), p=list(BROWSING.values())).astype(np.int8)
    code[is_ordering[visit] & (left == 0)] = NAMES.index(ORDER)
    code[is_ordering[visit] & (left == 1)] = NAMES.index(CHECKOUT)
    code[is_adding[visit] & (left == np.where(is_ordering[visit], 2, 0))] = NAMES.index(ADD)
    at = (
        starts[visit]
        + (position * 45 + rng.integers(0, 40, len(visit))) * MICROSECONDS
        + rng.integers(0, MICROSECONDS, len(visit))
    )
    _write_events(root, rng, at, visitor[visit], code)


def _write_events(
    root: Path,
    rng: np.random.Generator,
    at: npt.NDArray[np.int64],
    customer: npt.NDArray[np.int64],
    code: npt.NDArray[np.int8],
) -> None:
    order = np.argsort(at, kind="stable")
    at, customer, code = at[order], customer[order], code[order]
    bounds = np.searchsorted(at, np.arange(DAYS + 1) * DAY)
    products = pa.array([f"P{number}" for number in range(PRODUCTS)])
    texts = pa.array(
        [
            f'{{"product_id": "P{number}", "price": {number % 200}.5, "coupon": "C{number % 7}"}}'
            for number in range(2_000)
        ]
    )
    for day in range(DAYS):
        low, high = bounds[day], bounds[day + 1]
        rows = high - low
        moments = pa.array(at[low:high] + round(START.timestamp()) * MICROSECONDS).cast(pa.timestamp("us", tz="UTC"))
        number = rng.integers(0, PRODUCTS, rows)
        columns = {
            "id": pa.array(np.arange(low, high) + 1),
            "source": pa.array(np.full(rows, "web")),
            "type": pa.array(np.full(rows, "track")),
            "name": pa.DictionaryArray.from_arrays(pa.array(code[low:high]), pa.array(NAMES)).cast(pa.string()),
            "customer_id": pa.array(customer[low:high]),
            "occurred_at": moments,
            "received_at": moments,
            "product_ids": pa.ListArray.from_arrays(
                pa.array(np.arange(rows + 1, dtype=np.int32)), products.take(pa.array(number))
            ),
            "device": pa.array(np.array(["mobile", "desktop", "tablet"])[number % 3]),
            "properties": texts.take(pa.array(number % 2_000)),
        }
        table = pa.table({field.name: columns.get(field.name, pa.nulls(rows, field.type)) for field in EVENTS.schema})
        _write_day(root, "events", day, table.cast(EVENTS.schema))
        _write_orders(root, day, table.filter(pa.array(code[low:high] == NAMES.index(ORDER))))
    log(f"{len(at):,} events written")


def _write_orders(root: Path, day: int, events: pa.Table) -> None:
    rows = events.num_rows
    totals = pa.array((events["id"].to_numpy() % 150 + 10).astype(np.int32)).cast(pa.decimal128(14, 2))
    columns = {
        "id": events["id"],
        "order_id": events["id"].cast(pa.string()),
        "customer_id": events["customer_id"],
        "kind": pa.array(np.full(rows, "sale")),
        "status": pa.array(np.full(rows, "completed")),
        "placed_at": events["occurred_at"],
        "total": totals,
    }
    table = pa.table({field.name: columns.get(field.name, pa.nulls(rows, field.type)) for field in ORDERS.schema})
    _write_day(root, "orders", day, table.cast(ORDERS.schema))


def _write_day(root: Path, name: str, day: int, table: pa.Table) -> None:
    folder = root / name / f"date={np.datetime64(START.date()) + day}"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "part.parquet", compression="zstd")
