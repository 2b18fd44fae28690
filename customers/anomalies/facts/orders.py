"""Orders and returns by day, channel, source, coupon and kind of customer."""

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from customers.analytics.expressions.periods import DAY, HOUR, build_day, build_local
from customers.analytics.expressions.tables import AnalyticsTables
from customers.anomalies.facts.base import NO_LABEL, FactDays, FactKind

NEW, RETURNING, GUEST = "new", "returning", "guest"


def read_orders(tables: AnalyticsTables, days: FactDays) -> pa.Table:
    """Return the measures of orders; those of guests count too.

    Orders in other currencies are counted without their amount, and are not among `priced_orders`, which averages are divided by.
    """
    orders = tables.orders.filter(tables.orders.status != "cancelled")
    at = tables.engine.to_microseconds(orders.placed_at)
    first = find_first_orders(tables)
    rows = orders.mutate(at=at, day=build_day(at, tables.zone, days.since, days.until))
    low, high = tables.get_bounds(days.whole)
    rows = rows.filter((rows["at"] >= low) & (rows["at"] < high))
    rows = rows.left_join(first, rows.customer_id == first.buyer_id)
    amount = build_amount(rows, tables.currency)
    is_sale = rows.kind == "sale"
    is_first = is_sale & (rows["at"] == rows.first_at)
    customer = ibis.cases((rows.customer_id.isnull(), GUEST), (is_first, NEW), else_=RETURNING)
    rows = rows.select(
        "day",
        channel=rows.channel.fill_null(NO_LABEL),
        source=rows.source.fill_null(NO_LABEL),
        coupon=rows.coupon.fill_null(NO_LABEL),
        customer=customer,
        revenue=amount,
        orders=is_sale.cast("float64"),
        priced_orders=(is_sale & has_amount(rows, tables.currency)).cast("float64"),
        new_customers=is_first.fill_null(False).cast("float64"),
        returns=(rows.kind == "return").cast("float64"),
    )
    return tables.backend.to_pyarrow(add_up(rows, ORDERS))


def find_first_orders(tables: AnalyticsTables) -> ir.Table:
    """Return buyer_id and first_at, the time of each customer's first order in all data."""
    orders = tables.orders
    sales = orders.filter(orders.customer_id.notnull() & (orders.kind == "sale") & (orders.status != "cancelled"))
    at = tables.engine.to_microseconds(sales.placed_at)
    return sales.mutate(at=at).group_by(buyer_id=sales.customer_id).agg(first_at=ibis._["at"].min())


def build_amount(orders: ir.Table, currency: str) -> ir.FloatingValue:
    """Return what an order or return adds to revenue, as in `AnalyticsTables.select_sales`; 0 in another currency."""
    total, refunded = orders.total.cast("float64"), ibis.coalesce(orders.refunded.cast("float64"), 0.0)
    amount = ibis.cases(
        (orders.kind == "return", -total.abs()), (orders.status == "refunded", 0.0), else_=total - refunded
    )
    amount = amount.fill_null(0.0)
    return ibis.ifelse(has_amount(orders, currency), amount, 0.0)


def has_amount(orders: ir.Table, currency: str) -> ir.BooleanValue:
    """Return whether an order or return is in the currency of the amounts; all are without one."""
    return orders.currency == currency if currency else ibis.literal(True)


def add_up(rows: ir.Table, kind: FactKind) -> ir.Table:
    """Return the sums of the measures by day and dimensions."""
    keys = ["day", *kind.dimensions]
    return rows.group_by(*keys).agg(**{name: rows[name].sum() for name in kind.measures}).select(*keys, *kind.measures)


def read_order_hours(tables: AnalyticsTables, days: FactDays) -> pa.Table:
    """Return day, hour (0 to 23 on the shop's clock) and count of orders."""
    orders = tables.orders.filter((tables.orders.kind == "sale") & (tables.orders.status != "cancelled"))
    return count_hours(tables, orders, orders.placed_at, days)


def count_hours(tables: AnalyticsTables, rows: ir.Table, moment: ir.TimestampValue, days: FactDays) -> pa.Table:
    """Return day, hour and count of rows by a moment."""
    at = tables.engine.to_microseconds(moment)
    low, high = tables.get_bounds(days.detailed)
    rows = rows.mutate(at=at).filter((ibis._["at"] >= low) & (ibis._["at"] < high))
    local = build_local(rows["at"], tables.zone, days.detailed_since, days.until)
    counted = rows.select(day=local // DAY, hour=local % DAY // HOUR)
    return tables.backend.to_pyarrow(counted.group_by("day", "hour").agg(count=counted.count()))


ORDERS = FactKind(
    key="orders",
    dimensions=("channel", "source", "coupon", "customer"),
    measures=("revenue", "orders", "priced_orders", "new_customers", "returns"),
    feed="orders",
    read=read_orders,
)
