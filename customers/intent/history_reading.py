"""Reads the events and orders of the last months from the warehouse, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from config.foundation.array_types import Flags, Floats, Ints
from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch
from customers.analytics.expressions.parameters import DateRange
from customers.analytics.expressions.tables import AnalyticsTables
from customers.intent.event_kinds import find_device, find_kind
from customers.intent.prediction.session_events import SECOND, UNKNOWN, Orderings, SessionEvents

DAYS = 120
MAX_EVENTS = 2_000_000  # more are reduced to those of every second, third … person
HOUR = 3600 * SECOND
NO_KIND = -1


@dataclass(frozen=True, eq=False)
class ShopHistory:
    """Events and orders of people, and the names of the categories that the events refer to by number."""

    events: SessionEvents
    orders: Orderings
    categories: tuple[str, ...]


def read_history(tables: AnalyticsTables, *, days: int = DAYS, max_events: int = MAX_EVENTS) -> ShopHistory:
    """Return the events of the last days; if there are more than ``max_events``, those of a part of the customers."""
    until = tables.as_of.astimezone(tables.zone).date()
    period = DateRange(since=until - timedelta(days=days), until=until)
    rows = tables.select_events(period)
    number = int(tables.fetch(rows.agg(number=rows.count()))[0]["number"])
    part = -(-number // max_events)
    if part > 1:
        rows = rows.filter(rows.customer_id % part == 0)
    rows = rows.select("customer_id", "at", "id", "name", "device", product_id=rows.product_ids[0])
    products = tables.products.select(named="product_id", product="id", category="category")
    joined = rows.left_join(products, rows.product_id == products.named)
    selected = joined.select("customer_id", "at", "name", "device", "product", "category", "id")
    table = tables.backend.to_pyarrow(selected.order_by("customer_id", "at", "id"))
    orders = tables.select_events(None, EventMatch(name=ORDER_EVENT)).select("customer_id", "at")
    return build_history(table, tables.backend.to_pyarrow(orders), tables.zone)


def build_history(events: pa.Table, orders: pa.Table, zone: ZoneInfo) -> ShopHistory:
    """Return the events in the order of the table, which is that of customer and time; those that are no visits are left out."""
    names = pc.dictionary_encode(events["name"]).combine_chunks()
    kinds = [find_kind(name or "") for name in names.dictionary.to_pylist()]
    kind_of_name = np.array([NO_KIND if kind is None else int(kind) for kind in kinds], np.int8)
    kind = kind_of_name[to_codes(names)] if len(names) else np.zeros(0, np.int8)
    devices = pc.dictionary_encode(events["device"]).combine_chunks()
    device_of_name = np.array([int(find_device(name)) for name in devices.dictionary.to_pylist()] + [0], np.int8)
    categories = pc.dictionary_encode(events["category"]).combine_chunks()
    at = events["at"].to_numpy()
    hour, is_weekend = read_local_hours(at, zone)
    customers, person = np.unique(events["customer_id"].to_numpy(), return_inverse=True)
    all_events = SessionEvents(
        person=person,
        at=at,
        kind=kind,
        product=pc.fill_null(events["product"], UNKNOWN).to_numpy(),
        category=to_codes(categories),
        device=device_of_name[to_codes(devices)],
        hour=hour,
        is_weekend=is_weekend,
    )
    buyer, placed_at = orders["customer_id"].to_numpy(), orders["at"].to_numpy()
    is_known = np.isin(buyer, customers)
    orderings = Orderings.sort(np.searchsorted(customers, buyer[is_known]), placed_at[is_known])
    return ShopHistory(all_events.select(kind != NO_KIND), orderings, tuple(categories.dictionary.to_pylist()))


def to_codes(column: pa.DictionaryArray) -> Ints:
    """Return the codes of a dictionary-encoded column, -1 for nulls."""
    return pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def read_local_hours(at: Ints, zone: ZoneInfo) -> tuple[Floats, Flags]:
    """Return the local hour of the day, with its fraction, and whether it is a weekend; shapes (n,).

    The clock is looked up once for each quarter of an hour, the step at which time zones differ from UTC.
    """
    step = HOUR // 4
    quarters, index = np.unique(at // step, return_inverse=True)
    moments = [datetime.fromtimestamp(int(quarter) * 900, UTC).astimezone(zone) for quarter in quarters]
    hour = np.array([moment.hour + moment.minute / 60 for moment in moments], np.float64)
    weekend = np.array([moment.weekday() >= 5 for moment in moments], np.bool_)
    return hour[index] + (at % step) / HOUR, weekend[index]


def index_categories(names: Sequence[str | None], categories: Sequence[str]) -> Ints:
    """Return the numbers of categories by name, -1 for unknown ones."""
    number = {name: position for position, name in enumerate(categories)}
    return np.array([number.get(name or "", UNKNOWN) for name in names], np.int64)
