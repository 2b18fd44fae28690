"""Figures of customers as expressions of the warehouse, for shops whose orders outgrow one machine.

They equal those of `lifecycle.scoring`, as a test checks: purchase histories, RFM, and counts of orders over the last days.
"""

import ibis
import ibis.expr.types as ir
import numpy as np

from config.foundation.calendars.local_clock import LocalClock
from customers.warehouse.engines.base import WarehouseEngine

DAY = 86_400_000_000  # microseconds
WINDOWS = (30, 90, 365)


def build_documents(orders: ir.Table, engine: WarehouseEngine, *, as_of: int, currency: str) -> ir.Table:
    """Return the orders and returns of customers before ``as_of``: customer_id, id, at, amount in minor units, and is_order.

    As in `lifecycle.facts.amounts`: another currency adds 0, returns have either sign, a refunded order counts 0. as_of, at: microseconds.
    """
    rows = orders.filter(orders.customer_id.notnull() & (orders.status != "cancelled"))
    total, refunded = rows.total.cast("float64"), ibis.coalesce(rows.refunded.cast("float64"), 0.0)
    amount = ibis.cases(
        (ibis.coalesce(rows.currency, "") != currency, 0.0),
        (rows.kind == "return", -total.abs()),
        (rows.status == "refunded", 0.0),
        else_=total - refunded,
    )
    rows = rows.select(
        "customer_id",
        "id",
        at=engine.to_microseconds(rows.placed_at),
        amount=(amount * 100).round().cast("int64"),
        is_order=(rows.kind == "sale").cast("int64"),
    )
    return rows.filter(rows["at"] < as_of)


def build_purchase_histories(documents: ir.Table, *, as_of: int, clock: LocalClock) -> ir.Table:
    """Return customer_id, x, last_days, age_days and mean_value of everyone with an order, as `clv.summarize_purchases`.

    clock: the shop's, whose midnights separate the days.
    """
    orders = documents.filter(documents.is_order == 1)
    days = orders.group_by("customer_id", day=build_local_day(orders["at"], clock, until=as_of)).agg(
        value=orders.amount.sum()
    )
    first = days.day.min().over(ibis.window(group_by=days.customer_id))
    days = days.mutate(first_day=first)
    rows = days.group_by("customer_id").agg(
        x=days.count() - 1,
        first_day=days.first_day.min(),
        last_day=days.day.max(),
        later=ibis.ifelse(days.day > days.first_day, days.value, 0).sum(),
    )
    return rows.select(
        "customer_id",
        "x",
        last_days=rows.last_day - rows.first_day,
        age_days=clock.get_day(as_of - 1) - rows.first_day,
        mean_value=rows.later.cast("float64") / ibis.greatest(rows.x, 1) / 100,
    )


def build_local_day(at: ir.IntegerValue, clock: LocalClock, *, until: int) -> ir.IntegerValue:
    """Return the days of moments before ``until``, as `LocalClock.count_days`."""
    rows = range(max(int(np.searchsorted(clock.start, until)), 1))

    def choose(rows: range) -> ir.IntegerValue:
        """Return the local time; halving takes a few comparisons per row, instead of one for each change of the clock."""
        if len(rows) == 1:
            start, offset, floor = (int(values[rows[0]]) for values in (clock.start, clock.offset, clock.floor))
            return ibis.greatest(at + offset, floor) if floor > start + offset else at + offset
        middle = len(rows) // 2
        return ibis.ifelse(at < int(clock.start[rows[middle]]), choose(rows[:middle]), choose(rows[middle:]))

    return choose(rows) // DAY


def build_rfm(documents: ir.Table) -> ir.Table:
    """Return customer_id, first_order, last_order, orders, revenue, and r, f and m from 1 to 5, as `rfm.measure_rfm` without a window."""
    rows = documents.group_by("customer_id").agg(
        first_order=ibis.ifelse(documents.is_order == 1, documents["at"], None).min(),
        last_order=ibis.ifelse(documents.is_order == 1, documents["at"], None).max(),
        orders=documents.is_order.sum(),
        revenue=documents.amount.sum(),
    )
    rows = rows.filter(rows.orders > 0)
    scores = {
        score: ibis.ntile(5).over(ibis.window(order_by=[rows[value], rows.first_order, rows.customer_id])) + 1
        for score, value in (("r", "last_order"), ("f", "orders"), ("m", "revenue"))
    }
    return rows.mutate(**scores)


def build_features(documents: ir.Table, engine: WarehouseEngine, *, as_of: int) -> ir.Table:
    """Return orders, returns, revenue, pauses between orders, and orders and revenue of the last 30, 90 and 365 days by customer_id."""
    window = ibis.window(group_by=documents.customer_id, order_by=[documents["at"], documents.id])
    orders = documents.filter(documents.is_order == 1)
    paused = orders.mutate(pause=orders["at"] - orders["at"].lag().over(window))
    pauses = paused.group_by("customer_id").agg(
        median_pause=engine.quantile(paused.pause, 0.5), longest_pause=paused.pause.max()
    )
    columns: dict[str, ir.Value] = {}
    for days in WINDOWS:
        is_recent = documents["at"] >= as_of - days * DAY
        columns[f"orders_{days}"] = ibis.ifelse(is_recent, documents.is_order, 0).sum()
        columns[f"revenue_{days}"] = ibis.ifelse(is_recent, documents.amount, 0).sum()
    rows = documents.group_by("customer_id").agg(
        orders=documents.is_order.sum(),
        returns=(1 - documents.is_order).sum(),
        revenue=documents.amount.sum(),
        last_at=documents["at"].max(),
        **columns,
    )
    joined = rows.left_join(pauses, rows.customer_id == pauses.customer_id)
    return joined.select(*rows.columns, "median_pause", "longest_pause")
