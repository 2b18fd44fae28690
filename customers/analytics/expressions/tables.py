"""What questions read: events and orders of known people, with times in microseconds."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends import BaseBackend

from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch, build_match, uses_orders
from customers.analytics.expressions.parameters import DateRange
from customers.analytics.expressions.periods import SECOND, to_instant
from customers.lifecycle.facts.warehouse_amounts import add_net_lines, build_warehouse_amount
from customers.warehouse.engines.base import WarehouseEngine
from customers.warehouse.engines.duckdb import DuckDBEngine

# the columns of the warehouse's events that a question can use
EVENT_COLUMNS = (
    "id", "customer_id", "name", "type", "source", "path", "device", "locale", "currency", "value", "product_ids", "properties",
)  # fmt: skip
BEHAVIOR_TYPES = ("track", "page", "screen")
# of orders as events: larger than any ID of an event, so that they sort after the events of the same moment
ORDER_ID_OFFSET = 2**61
# sessions that run over the end of the days are read for that long; what ends later is no visit of a person
SESSION_TAIL = 24 * 3600 * SECOND
FEEDBACK_SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("customer_id", pa.int64()),
        ("at", pa.int64()),
        ("kind", pa.string()),
        ("score", pa.int64()),
    ]
)


@dataclass(frozen=True)
class AnalyticsTables:
    """The tables of the warehouse that questions read.

    Attributes:
        events, orders, order_lines, products: as in the warehouse, with merged customers replaced and without erased ones.
        as_of: later facts are left out. zone: the time zone of the shop.
        read_labels: returns (customer_id, label) of a property of customers, such as stage or "segment:vip".
        read_members: returns the customer_id of the members of a segment. read_costs: returns product_id and cost.
        read_feedback: returns number, customer_id (NULL if unknown), at in microseconds, kind (review, nps or csat) and score.
        backend: runs the expressions. currency: of the amounts; money in another one is left out. Empty for any.
    """

    backend: BaseBackend
    events: ir.Table
    orders: ir.Table
    order_lines: ir.Table
    products: ir.Table
    as_of: datetime
    zone: ZoneInfo
    read_labels: Callable[[str], ir.Table]
    read_members: Callable[[str], ir.Table]
    read_costs: Callable[[], ir.Table]
    read_feedback: Callable[[], ir.Table] = lambda: ibis.memtable(FEEDBACK_SCHEMA.empty_table())
    currency: str = ""
    engine: WarehouseEngine = field(default_factory=DuckDBEngine)

    @property
    def known_until(self) -> int:
        """The time in microseconds before which facts count."""
        return round(self.as_of.timestamp() * SECOND)

    def get_bounds(self, days: DateRange) -> tuple[int, int]:
        """Return the first microsecond of the days, and the first one that is past them or not known yet."""
        end = to_instant(days.until + timedelta(days=1), self.zone)
        return to_instant(days.since, self.zone), min(end, self.known_until)

    def get_first_moment(self, days: DateRange) -> datetime:
        """Return when the days begin."""
        return _to_moment(self.get_bounds(days)[0])

    def select_events(self, days: DateRange | None, *matches: EventMatch, segment: str = "", tail: int = 0) -> ir.Table:
        """Return the events of known people that match one of the descriptions, with their time in microseconds as ``at``.

        Args:
            days: None for all days up to now.
            matches: without one, every event but no order.
            tail: microseconds after the days for which events are read, too.
        """
        bounds = self.get_bounds(days) if days else None
        if bounds:
            bounds = bounds[0], min(bounds[1] + tail, self.known_until)
        rows = self._read_events(bounds)
        if matches and uses_orders(*matches):
            rows = rows.union(self._read_orders_as_events(bounds))
        if matches:
            condition = build_match(rows, matches[0], self.engine)
            for match in matches[1:]:
                condition = condition | build_match(rows, match, self.engine)
            rows = rows.filter(condition)
        return self.keep_segment(rows, segment or (days.segment if days else ""))

    def select_visits(self, days: DateRange, gap_minutes: int, *matches: EventMatch) -> ir.Table:
        """Return the events of all sessions that begin within the days, and the orders that match one of the descriptions.

        Midnight does not end a session: events are read from ``gap_minutes`` before the days, to recognize sessions that go on from the
        day before, until a day after them, when the last sessions have ended. Sessions that begin outside the days have to be left out.
        Orders are read until ``gap_minutes`` later: they can still belong to the last session.
        """
        low, high = self.get_bounds(days)
        gap = gap_minutes * 60 * SECOND
        low, high = low - gap, min(high + SESSION_TAIL, self.known_until)
        rows = self._read_events((low, high))
        if uses_orders(*matches):
            orders = self._read_orders_as_events((low, min(high + gap + 1, self.known_until)))
            condition = ibis.or_(*(build_match(orders, match, self.engine) for match in matches))
            rows = rows.union(orders.filter(condition))
        return self.keep_segment(rows, days.segment)

    def keep_segment(self, rows: ir.Table, segment: str) -> ir.Table:
        """Return the rows of the customers of a segment; all without one."""
        return rows.semi_join(self.read_members(segment), "customer_id") if segment else rows

    def _read_events(self, bounds: tuple[int, int] | None) -> ir.Table:
        events = self.events
        # if the clock of the device is ahead, the event counts as having happened when it was received
        moment = ibis.least(events.occurred_at, events.received_at)
        # identify, group and alias calls describe a person; they are not behavior
        events = events.filter(events.customer_id.notnull() & events.type.isin(BEHAVIOR_TYPES))
        rows = events.select(*EVENT_COLUMNS, "occurred_at", moment=moment)
        return self._limit(rows, bounds).select(*EVENT_COLUMNS, "at")

    def _read_orders_as_events(self, bounds: tuple[int, int] | None) -> ir.Table:
        orders = self.orders
        orders = orders.filter(orders.customer_id.notnull() & (orders.kind == "sale") & (orders.status != "cancelled"))
        missing = {name: ibis.null("string") for name in ("path", "device", "locale")}
        rows = orders.select(
            id=orders.id + ORDER_ID_OFFSET,
            customer_id=orders.customer_id,
            name=ibis.literal(ORDER_EVENT),
            type=ibis.literal("track"),
            source=orders.source,
            **missing,
            currency=orders.currency,
            # an order in another currency is an event too, but its amount cannot be added to the others
            value=self._keep_amount(orders.total, orders.currency),
            product_ids=ibis.null("array<string>"),
            properties=ibis.literal("{}"),
            occurred_at=orders.placed_at,
            moment=orders.placed_at,
        )
        return self._limit(rows, bounds).select(*EVENT_COLUMNS, "at")

    def _limit(self, rows: ir.Table, bounds: tuple[int, int] | None) -> ir.Table:
        low, high = bounds or (None, self.known_until)
        at = self.engine.to_microseconds(rows.moment)
        rows = rows.mutate(at=at)
        if low is not None:
            # also on the stored column, which lets the engine skip files and row groups
            rows = rows.filter((rows.at >= low) & (rows.occurred_at >= _to_moment(low)))
        return rows.filter(rows.at < high)

    def fetch(self, expression: ir.Table) -> list[dict[str, Any]]:
        """Return the rows of a small result."""
        rows: list[dict[str, Any]] = self.backend.to_pyarrow(expression).to_pylist()
        return rows

    def materialize(self, expression: ir.Table) -> AbstractContextManager[ir.Table]:
        """Store the rows of an expression for the block, so that several results are computed from one pass."""
        return self.engine.materialize(self.backend, expression)

    def interrupt(self) -> None:
        """Stop the running expression, from another thread; engines without that let it finish."""
        self.engine.interrupt(self.backend)

    def select_sales(self, days: DateRange | None) -> ir.Table:
        """Return orders and returns of known people as customer_id, at and total, the amount that they add to revenue."""
        rows = self.select_transactions(days)
        return rows.filter(rows.customer_id.notnull()).select("customer_id", "at", "total")

    def select_transactions(self, days: DateRange | None) -> ir.Table:
        """Return orders and returns, including those of guests, as id, customer_id, at, total, is_order and channel.

        As in `lifecycle.facts.amounts`: the totals of returns can have either sign, and a refunded order adds nothing. Other currencies are
        left out.
        """
        orders = self.orders
        rows = self._keep_currency(orders.filter(orders.status != "cancelled"))
        rows = rows.mutate(
            amount=build_warehouse_amount(rows),
            is_order=(rows.kind == "sale").cast("int64"),
            channel=rows.channel.nullif(""),
            moment=rows.placed_at,
            occurred_at=rows.placed_at,
        )
        bounds = self.get_bounds(days) if days else None
        return self._limit(rows, bounds).select("id", "customer_id", "at", "is_order", "channel", total="amount")

    def _keep_amount(self, amount: ir.NumericValue, currency: ir.StringValue) -> ir.NumericValue:
        return ibis.ifelse(currency == self.currency, amount, ibis.null(amount.type())) if self.currency else amount

    def _keep_currency(self, rows: ir.Table) -> ir.Table:
        return rows.filter(rows.currency == self.currency) if self.currency else rows

    def select_lines(self, days: DateRange) -> ir.Table:
        """Return the lines of orders and returns that were not canceled, including those of guests.

        total is what the line adds to revenue, kept_quantity the goods of which it is the revenue. A refund leaves quantity as it is: it
        says nothing of goods that came back.
        """
        bounds, lines = self.get_bounds(days), self.order_lines
        rows = self._keep_currency(lines.filter((lines.status != "cancelled") & lines.product_id.notnull()))
        rows = self._limit(_set_moment(rows), bounds)
        rows = add_net_lines(rows, self._limit(_set_moment(self.orders), bounds))
        quantity = rows.quantity.cast("float64")
        rows = rows.select(
            "customer_id",
            "product_id",
            "category",
            "kept_quantity",
            # shops send returns with either sign
            quantity=ibis.ifelse(rows.kind == "return", -quantity.abs(), quantity),
            total=rows.kept_total,
        )
        return self.keep_segment(rows, days.segment)


def _set_moment(rows: ir.Table) -> ir.Table:
    """Return orders or their lines with the times by which they are limited to days."""
    return rows.mutate(moment=rows.placed_at, occurred_at=rows.placed_at)


def _to_moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
