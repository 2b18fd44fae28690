"""Repeat by first purchase: how many of the people whose first order has a product or category order again.

The first order is that of all data; those in the days of the question count. Everyone has the same time to order again: people whose
first order is more recent than that are counted as not yet known, and left out of the rate.
"""

from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.parameters import DateRange, require_between, require_one_of
from customers.analytics.expressions.periods import DAY
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.tables import AnalyticsTables

MAX_ROWS = 500
LEVELS, SORTS = ("product", "category"), ("people", "share")


@dataclass(frozen=True, kw_only=True)
class FirstPurchaseParameters(DateRange):
    """Which first purchases are listed.

    Attributes:
        level: product or category. within_days: the time to order again. sort: people or share.
        min_people: what fewer people bought first is left out. limit: of rows.
    """

    level: str = "product"
    within_days: int = 90
    sort: str = "people"
    min_people: int = 5
    limit: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of("level", self.level, LEVELS)
        require_one_of("sort", self.sort, SORTS)
        require_between("within_days", self.within_days, 1, 730)
        require_between("min_people", self.min_people, 1, 1_000_000)
        require_between("limit", self.limit, 1, MAX_ROWS)


@dataclass(frozen=True, kw_only=True)
class FirstPurchase:
    """A product or category of first orders; name is None for all of them.

    Attributes:
        people: who had the whole time to order again. repeated: who did. recent: whose time is not over.
        median_days: until the second order.
    """

    name: str | None
    people: int
    repeated: int
    share: float | None
    recent: int
    median_days: float | None


@dataclass(frozen=True, kw_only=True)
class FirstPurchaseResult:
    """The rows, and all first orders together."""

    as_of: datetime
    total: FirstPurchase
    rows: tuple[FirstPurchase, ...]


def build_first_orders(tables: AnalyticsTables, parameters: FirstPurchaseParameters) -> ir.Table:
    """Return customer_id, order_pk, is_recent, is_repeated and days (until the second order): one row per person."""
    low, high = tables.get_bounds(parameters)
    orders = tables.orders
    orders = orders.filter(orders.customer_id.notnull() & (orders.kind == "sale") & (orders.status != "cancelled"))
    orders = tables.keep_segment(orders, parameters.segment)
    at = tables.engine.to_microseconds(orders.placed_at)
    rows = orders.select("customer_id", "id", at=at).filter(ibis._["at"] < tables.known_until)
    window = ibis.window(group_by=rows.customer_id, order_by=[rows["at"], rows.id])
    rows = rows.mutate(number=ibis.row_number().over(window), next_at=rows["at"].lead().over(window))
    first = rows.filter((rows.number == 0) & (rows["at"] >= low) & (rows["at"] < high))
    wait = first.next_at - first["at"]
    is_repeated = ibis.coalesce(wait <= parameters.within_days * DAY, False)
    return first.select(
        "customer_id",
        order_pk=first.id,
        is_recent=first["at"] + parameters.within_days * DAY > tables.known_until,
        is_repeated=is_repeated,
        days=ibis.ifelse(is_repeated, wait.cast("float64") / DAY, ibis.null("float64")),
    )


def build_first_purchases(tables: AnalyticsTables, parameters: FirstPurchaseParameters) -> ir.Table:
    """Return the first orders with the name of each product or category in them."""
    lines = tables.order_lines
    name = lines.category if parameters.level == "category" else lines.product_id
    named = lines.filter(lines.quantity > 0).select(line_order="order_pk", name=name)
    named = named.filter(named.name.notnull() & (named.name != "")).distinct()
    first = build_first_orders(tables, parameters)
    return first.inner_join(named, first.order_pk == named.line_order)


def run_repeat(tables: AnalyticsTables, parameters: FirstPurchaseParameters) -> FirstPurchaseResult:
    """Count who orders again, in total and by what was bought first."""
    first = build_first_orders(tables, parameters)
    total = tables.fetch(first.agg(**_count(first, tables)))[0]
    named = build_first_purchases(tables, parameters)
    counted = named.group_by("name").agg(**_count(named, tables))
    counted = counted.filter(counted.people >= parameters.min_people)
    counted = counted.mutate(share=counted.repeated / counted.people)
    order = [*map(ibis.desc, dict.fromkeys([parameters.sort, "people"])), "name"]
    rows = tables.fetch(counted.order_by(order).limit(parameters.limit))
    return FirstPurchaseResult(
        as_of=tables.as_of, total=_make_row({**total, "name": None}), rows=tuple(_make_row(row) for row in rows)
    )


def _count(rows: ir.Table, tables: AnalyticsTables) -> dict[str, ir.Value]:
    is_known = ~rows.is_recent
    return {
        "people": is_known.cast("int64").sum(),
        "repeated": (is_known & rows.is_repeated).cast("int64").sum(),
        "recent": rows.is_recent.cast("int64").sum(),
        "median_days": tables.engine.quantile(ibis.ifelse(is_known, rows.days, None), 0.5),
    }


def _make_row(row: dict[str, float | str | None]) -> FirstPurchase:
    people, repeated = int(row["people"] or 0), int(row["repeated"] or 0)
    return FirstPurchase(
        name=row["name"],  # type: ignore[arg-type]
        people=people,
        repeated=repeated,
        share=divide(repeated, people),
        recent=int(row["recent"] or 0),
        median_days=row["median_days"],  # type: ignore[arg-type]
    )


@dataclass(frozen=True, kw_only=True)
class FirstPurchaseSelection:
    """The people whose first order has a product or category; without a name, all.

    Attributes:
        is_repeated: those who ordered again, or those who did not; None for both. is_recent: instead, those whose time is not over.
    """

    name: str | None = None
    is_repeated: bool | None = None
    is_recent: bool = False


def select_repeat_people(
    tables: AnalyticsTables, parameters: FirstPurchaseParameters, selection: FirstPurchaseSelection
) -> ir.Table:
    """Return the customer_id of the people of a row."""
    if selection.name is None:
        rows = build_first_orders(tables, parameters)
    else:
        rows = build_first_purchases(tables, parameters)
        rows = rows.filter(rows.name == selection.name)
    rows = rows.filter(rows.is_recent == selection.is_recent)
    if selection.is_repeated is not None:
        rows = rows.filter(rows.is_repeated == selection.is_repeated)
    return rows.select("customer_id").distinct()
