"""Revenue by day, product, category and brand, which explains revenue."""

import pyarrow as pa

from customers.analytics.expressions.periods import build_day
from customers.analytics.expressions.tables import AnalyticsTables
from customers.anomalies.facts.base import NO_LABEL, FactDays, FactKind
from customers.anomalies.facts.orders import add_up
from customers.lifecycle.facts.warehouse_amounts import add_net_lines


def read_lines(tables: AnalyticsTables, days: FactDays) -> pa.Table:
    """Return the net revenue of the lines of orders and returns, without those in another currency."""
    lines = tables.order_lines
    rows = lines.filter((lines.status != "cancelled") & lines.product_id.notnull())
    if tables.currency:
        rows = rows.filter(rows.currency == tables.currency)
    at = tables.engine.to_microseconds(rows.placed_at)
    rows = rows.mutate(at=at, day=build_day(at, tables.zone, days.detailed_since, days.until))
    low, high = tables.get_bounds(days.detailed)
    rows = add_net_lines(rows.filter((rows["at"] >= low) & (rows["at"] < high)), tables.orders)
    rows = rows.select(
        "day",
        product=rows.product_id,
        category=rows.category.fill_null(NO_LABEL),
        brand=rows.brand.fill_null(NO_LABEL),
        revenue=rows.kept_total,
    )
    return tables.backend.to_pyarrow(add_up(rows, LINES))


LINES = FactKind(
    key="lines",
    dimensions=("product", "category", "brand"),
    measures=("revenue",),
    feed="orders",
    read=read_lines,
    is_detail=True,
)
