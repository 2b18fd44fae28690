"""Makes the tables of questions from short lists, on one DuckDB for all tests."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
from ibis.backends import BaseBackend

from customers.analytics.expressions.matching import EventMatch
from customers.analytics.expressions.tables import FEEDBACK_SCHEMA, AnalyticsTables
from customers.warehouse.tables import EVENTS, ORDER_LINES, ORDERS, PRODUCTS

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
DAYS: dict[str, Any] = {"since": date(2026, 3, 1), "until": date(2026, 3, 31)}
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Happening:
    """One event: who, what, when in minutes after START, and its properties as JSON."""

    customer: int
    name: str
    minute: float
    properties: str = "{}"
    value: float | None = None
    product_ids: tuple[str, ...] | None = None


@cache
def get_backend() -> BaseBackend:
    backend = ibis.duckdb.connect(threads=2)
    backend.raw_sql("SET TimeZone = 'UTC'")
    backend.raw_sql("SET enable_progress_bar = false")
    return backend


def make_tables(
    events: Iterable[Happening] = (),
    *,
    orders: Sequence[Mapping[str, Any]] = (),
    lines: Sequence[Mapping[str, Any]] = (),
    products: Sequence[Mapping[str, Any]] = (),
    labels: Mapping[int, str] | None = None,
    members: Sequence[int] = (),
    costs: Mapping[str, float] | None = None,
    feedback: Sequence[tuple[int | None, datetime, str, int]] = (),
    as_of: datetime = datetime(2026, 4, 10, tzinfo=UTC),
    zone: ZoneInfo = BERLIN,
    currency: str = "",
) -> AnalyticsTables:
    """Return tables with these rows; `labels` and `members` are the same for all names."""
    rows = [
        {
            "id": number,
            "source": "web",
            "type": "track",
            "name": event.name,
            "customer_id": event.customer,
            "occurred_at": START + event.minute * MINUTE,
            "received_at": START + event.minute * MINUTE,
            "properties": event.properties,
            "value": event.value,
            "product_ids": event.product_ids,
        }
        for number, event in enumerate(events, 1)
    ]
    order_rows = [
        {"id": number, "kind": "sale", "status": "completed", "refunded": 0, **order}
        for number, order in enumerate(orders, 1)
    ]
    line_rows = [{"id": number, "kind": "sale", "status": "completed", **line} for number, line in enumerate(lines, 1)]
    named = pa.table(
        {
            "customer_id": pa.array(list(labels or {}), pa.int64()),
            "label": pa.array(list((labels or {}).values()), pa.string()),
        }
    )
    return AnalyticsTables(
        backend=get_backend(),
        events=_make_table(rows, EVENTS.schema),
        orders=_make_table(order_rows, ORDERS.schema),
        order_lines=_make_table(line_rows, ORDER_LINES.schema),
        products=_make_table([{"id": number, **row} for number, row in enumerate(products, 1)], PRODUCTS.schema),
        as_of=as_of,
        zone=zone,
        currency=currency,
        read_labels=lambda name: ibis.memtable(named),
        read_costs=lambda: ibis.memtable(
            pa.table(
                {
                    "product_id": pa.array(list(costs or {}), pa.string()),
                    "cost": pa.array(list((costs or {}).values()), pa.float64()),
                }
            )
        ),
        read_feedback=lambda: _make_table(
            [
                {
                    "number": number,
                    "customer_id": customer,
                    "at": round(at.timestamp() * 10**6),
                    "kind": kind,
                    "score": score,
                }
                for number, (customer, at, kind, score) in enumerate(feedback, 1)
            ],
            FEEDBACK_SCHEMA,
        ),
        read_members=lambda key: ibis.memtable(pa.table({"customer_id": pa.array(members, pa.int64())})),
    )


def _make_table(rows: list[dict[str, Any]], schema: pa.Schema) -> Any:
    for row in rows:
        for field in schema:
            if pa.types.is_decimal(field.type) and row.get(field.name) is not None:
                row[field.name] = round(pa.scalar(str(row[field.name])).cast(field.type).as_py(), field.type.scale)
    return ibis.memtable(pa.Table.from_pylist(rows, schema=schema))


def match(*names: str) -> tuple[EventMatch, ...]:
    """Return one match per name."""
    return tuple(EventMatch(name=name) for name in names)


def log(customer: int, text: str, *, gap: float = 1) -> list[Happening]:
    """Return one event per letter, ``gap`` minutes apart; letters in parentheses have the same time."""
    events, minute, is_grouped = [], 0.0, False
    for letter in text:
        if letter in "()":
            is_grouped = letter == "("
            minute += 0 if is_grouped else gap
            continue
        if letter != ".":
            events.append(Happening(customer, letter, minute))
        minute += 0 if is_grouped else gap
    return events


def fetch_ids(tables: AnalyticsTables, people: Any) -> list[int]:
    """Return the customers of an expression, sorted."""
    ids = [row["customer_id"] for row in tables.fetch(people)]
    assert len(set(ids)) == len(ids)
    return sorted(ids)
