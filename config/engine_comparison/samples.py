"""Writes a small warehouse with everything that engines have disagreed about: equal times, missing values, days on which clocks change,
returns, foreign currencies, and numbers and texts in the same property."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from customers.warehouse.parquet_files import build_part_path
from customers.warehouse.tables import EVENTS, ORDER_LINES, ORDERS, PRODUCTS, REVIEWS, WarehouseTable

ZONE = ZoneInfo("Europe/Berlin")
# clocks are set back on 2025-10-26 and forward on 2026-03-29
FIRST_DAYS = (date(2025, 10, 24), date(2026, 3, 27))
STRETCH = 5
AS_OF = datetime(2026, 4, 2, 9, 30, tzinfo=UTC)
CURRENCY = "EUR"
LABELS = {customer: "new" if customer % 3 else "loyal" for customer in range(1, 40)}
NAMES = ("Product Viewed", "Product Added", "product viewed ", "Home", "Order Completed", "", "Checkout Started")
PRICES: tuple[Any, ...] = (None, 19, 20, "30", 1e3, "n/a", "NaN", "inf", "-Infinity", "1e999")
COUPONS: tuple[Any, ...] = ("C1", "C2", "C3", 5, 2.5, True, None, "")


@dataclass(frozen=True)
class SampleSize:
    """How many customers and products there are."""

    customers: int = 60
    products: int = 12


def write_sample_warehouse(
    root: Path,
    *,
    events: int = 900,
    orders: int = 180,
    size: SampleSize = SampleSize(),
    seed: int = 7,
) -> None:
    """Write events, orders, order lines, reviews and products to the folder of a warehouse."""
    rng = random.Random(seed)  # noqa: S311 — data for tests
    moments = _draw_moments(rng, events)
    _write(root, EVENTS, [_make_event(rng, number, at, size) for number, at in enumerate(moments, 1)])
    order_rows = [_make_order(rng, number, at, size) for number, at in enumerate(_draw_moments(rng, orders), 1)]
    _write(root, ORDERS, order_rows)
    lines = [line for order in order_rows for line in _make_lines(rng, order, size)]
    _write(root, ORDER_LINES, [{**line, "id": number} for number, line in enumerate(lines, 1)])
    _write(root, REVIEWS, [_make_review(rng, number, at, size) for number, at in enumerate(_draw_moments(rng, 80), 1)])
    _write(root, PRODUCTS, [_make_product(number) for number in range(size.products)])


def _draw_moments(rng: random.Random, count: int) -> list[datetime]:
    """Return times of which many are equal, and many in the hours around midnight and the change of clocks."""
    moments = []
    for _ in range(count):
        start = datetime.combine(rng.choice(FIRST_DAYS), datetime.min.time(), UTC)
        at = start + timedelta(days=rng.randrange(STRETCH), hours=rng.choice((0, 1, 2, 12, 21, 22, 23)))
        at += timedelta(minutes=rng.randrange(0, 60, 10), microseconds=rng.choice((0, 0, 0, 1, 999_999)))
        moments.append(at)
    return moments


def _make_event(rng: random.Random, number: int, at: datetime, size: SampleSize) -> dict[str, Any]:
    products = rng.choice((None, [], ["P1"], ["P2", "P3"], [f"P{rng.randrange(size.products)}"]))
    properties = {"coupon": rng.choice(COUPONS), "price": rng.choice(PRICES)}
    return {
        "id": number,
        "source": rng.choice(("web", "app")),
        "type": rng.choice(("track", "track", "track", "page", "identify")),
        "name": rng.choice(NAMES),
        "customer_id": rng.choice((None, *[rng.randrange(1, size.customers)] * 9)),
        "occurred_at": at,
        "received_at": at + timedelta(seconds=rng.choice((-90, 0, 2))),
        "product_ids": products,
        "value": rng.choice((None, Decimal("9.99"), Decimal("30.00"))),
        "currency": rng.choice(("EUR", None)),
        "path": rng.choice((None, "/P1", "/home")),
        "device": rng.choice((None, "phone", "desktop")),
        "properties": json.dumps({key: value for key, value in properties.items() if rng.random() < 0.8}),
    }


def _make_order(rng: random.Random, number: int, at: datetime, size: SampleSize) -> dict[str, Any]:
    total = Decimal(rng.randrange(1, 20_000)) / 100
    kind = rng.choice(("sale", "sale", "sale", "sale", "return"))
    return {
        "id": number,
        "source": "web",
        "order_id": f"O{number}",
        "customer_id": rng.choice((None, *[rng.randrange(1, size.customers)] * 9)),
        "kind": kind,
        "status": rng.choice(("completed", "completed", "completed", "refunded", "cancelled")),
        "placed_at": at,
        "currency": rng.choice(("EUR", "EUR", "EUR", "USD")),
        "subtotal": total,
        "discount": Decimal(rng.choice(("0.00", "5.00"))),
        "total": total if kind == "sale" else rng.choice((total, -total)),
        "refunded": rng.choice((None, Decimal("0.00"), Decimal("0.01"))),
        "channel": rng.choice(("web", "store", "", None)),
    }


def _make_lines(rng: random.Random, order: dict[str, Any], size: SampleSize) -> list[dict[str, Any]]:
    shared = {
        name: order[name] for name in ("customer_id", "kind", "status", "placed_at", "currency", "channel", "order_id")
    }
    lines = []
    for position in range(rng.randrange(1, 5)):
        product = rng.randrange(size.products)
        lines.append(
            {
                **shared,
                "order_pk": order["id"],
                "line_number": position,
                "product_pk": product,
                "product_id": f"P{product}",
                "category": rng.choice((None, f"Category {product % 3}")),
                "quantity": Decimal(rng.choice(("0", "1", "2.5", "3"))),
                "unit_price": Decimal("3.3333"),
                "total": Decimal(rng.randrange(1, 5_000)) / 100,
            }
        )
    return lines


def _make_review(rng: random.Random, number: int, at: datetime, size: SampleSize) -> dict[str, Any]:
    return {
        "id": number,
        "customer_id": rng.choice((None, rng.randrange(1, size.customers))),
        "product_id": f"P{rng.randrange(size.products)}",
        "rating": rng.randrange(1, 6),
        "written_at": at,
    }


def _make_product(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "product_id": f"P{number}",
        "title": f"Product {number}",
        "category": f"Category {number % 3}" if number else None,
        "price": Decimal("9.90"),
        "is_active": True,
        "tags": None if number % 2 else ["new"],
    }


def _write(root: Path, table: WarehouseTable, rows: Sequence[dict[str, Any]]) -> None:
    days: dict[str | None, list[dict[str, Any]]] = {}
    for row in rows:
        days.setdefault(row[table.moment].date().isoformat() if table.moment else None, []).append(row)
    for day, of_day in days.items():
        path = build_part_path(root, table, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(of_day, schema=table.schema), path, compression="zstd")
