"""Product performance: who views, adds, buys and returns each product or category, with revenue and margin.

Viewed and added come from events, bought and returned from orders, so that purchases without an event count too. Rates are shares of
the people who viewed; the return rate is goods returned ÷ goods ordered. The margin needs the cost of a product in the catalog, in the
currency of the revenue.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.matching import EventMatch, build_match
from customers.analytics.expressions.parameters import DateRange, require_between, require_one_of
from customers.analytics.expressions.ratios import divide
from customers.analytics.expressions.tables import AnalyticsTables
from customers.events.event_taxonomy import Meaning

STAGES = ("viewed", "added", "bought", "returned")
SORTS = ("revenue", "viewed", "added", "bought", "returned", "margin")
MAX_ROWS = 1_000
VIEWED, ADDED = EventMatch(meaning=Meaning.VIEW), EventMatch(meaning=Meaning.CART)


@dataclass(frozen=True, kw_only=True)
class ProductParameters(DateRange):
    """How performance is listed.

    Attributes:
        level: product or category. sort: the column of which the largest come first. limit: the number of rows.
    """

    level: str = "product"
    sort: str = "revenue"
    limit: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of("level", self.level, ("product", "category"))
        require_one_of("sort", self.sort, SORTS)
        require_between("limit", self.limit, 1, MAX_ROWS)


@dataclass(frozen=True, kw_only=True)
class ProductPerformance:
    """One product or category; name is None for products without a category.

    Attributes:
        viewed, added, bought, returned: people. units, returned_units: goods. revenue: of sales less returns.
        margin: revenue less cost; None if no cost is known. covered_revenue: the revenue of products with a cost.
        add_rate, buy_rate: of those who viewed, the share who also added to the cart or bought.
    """

    name: str | None
    viewed: int
    added: int
    bought: int
    returned: int
    units: float
    returned_units: float
    revenue: float
    margin: float | None
    covered_revenue: float
    add_rate: float | None
    buy_rate: float | None
    return_rate: float | None
    margin_share: float | None


@dataclass(frozen=True, kw_only=True)
class ProductResult:
    """The rows, and all products together; rows: how many there are without the limit."""

    as_of: datetime
    total_rows: int
    rows: tuple[ProductPerformance, ...]
    total: ProductPerformance


def build_product_people(tables: AnalyticsTables, parameters: ProductParameters) -> ir.Table:
    """Return customer_id, name, stage, units, revenue, cost and covered_revenue: one row for each product of an event or order line."""
    return _build_events(tables, parameters).union(_build_lines(tables, parameters))


def _build_events(tables: AnalyticsTables, parameters: ProductParameters) -> ir.Table:
    events = tables.select_events(parameters, VIEWED, ADDED).filter(ibis._.product_ids.notnull())
    stage = ibis.ifelse(build_match(events, VIEWED, tables.engine), "viewed", "added")
    rows = events.select("customer_id", stage=stage, product_id=events.product_ids.unnest())
    if parameters.level == "category":
        products = tables.products.select(known_id="product_id", name="category")
        rows = rows.left_join(products, rows.product_id == products.known_id)
    else:
        rows = rows.mutate(name=rows.product_id)
    nothing = ibis.literal(0.0)
    return rows.select(
        "customer_id", "name", "stage", units=nothing, revenue=nothing, cost=nothing, covered_revenue=nothing
    )


def _build_lines(tables: AnalyticsTables, parameters: ProductParameters) -> ir.Table:
    lines = tables.select_lines(parameters)
    costs = tables.read_costs().select(known_id="product_id", unit_cost="cost")
    joined = lines.left_join(costs, lines.product_id == costs.known_id)
    units, revenue = joined.quantity.cast("float64"), joined.total.cast("float64")
    unit_cost = joined.unit_cost.cast("float64")
    return joined.select(
        "customer_id",
        name=joined.category if parameters.level == "category" else joined.product_id,
        # coupons and corrections have no quantity
        stage=ibis.cases((joined.quantity < 0, "returned"), (joined.quantity > 0, "bought"), else_="other"),
        units=units,
        revenue=revenue,
        # of refunded orders neither revenue nor cost counts, as in the margin of campaign results
        cost=ibis.coalesce(joined.kept_quantity * unit_cost, 0.0),
        covered_revenue=ibis.ifelse(unit_cost.notnull(), revenue, 0.0),
    )


def run_products(tables: AnalyticsTables, parameters: ProductParameters) -> ProductResult:
    """Count people, goods and money of each product or category."""
    with tables.materialize(build_product_people(tables, parameters)) as people:
        total = _build_row(tables.fetch(_sum_rows(people, []))[0] | {"name": None})
        summed = _sum_rows(people, ["name"])
        with tables.materialize(summed.mutate(margin=summed.covered_revenue - summed.cost)) as rows:
            count = tables.fetch(rows.agg(count=rows.count()))[0]["count"]
            top = tables.fetch(rows.order_by(ibis.desc(parameters.sort), "name").limit(parameters.limit))
    return ProductResult(as_of=tables.as_of, total_rows=count, rows=tuple(_build_row(row) for row in top), total=total)


def _sum_rows(people: ir.Table, keys: list[str]) -> ir.Table:
    """Return the people of each stage, the viewers who added and bought, and the sums of goods and money."""
    persons = people.group_by(*keys, "customer_id").agg(
        **{stage: (people.stage == stage).cast("int64").max() for stage in STAGES},
        units=ibis.ifelse(people.units > 0, people.units, 0.0).sum(),
        returned_units=ibis.ifelse(people.units < 0, -people.units, 0.0).sum(),
        **{name: people[name].sum() for name in ("revenue", "cost", "covered_revenue")},
    )
    # guests are one group without a customer
    is_known = persons.customer_id.notnull().cast("int64")
    columns = {stage: (persons[stage] * is_known).sum() for stage in STAGES}
    for stage in ("added", "bought"):
        columns[f"viewers_{stage}"] = (persons[stage] * persons.viewed * is_known).sum()
    columns |= {name: persons[name].sum() for name in ("units", "returned_units", "revenue", "cost", "covered_revenue")}
    grouped = persons.group_by(*keys) if keys else persons
    return grouped.agg(**columns)


def _build_row(row: dict[str, Any]) -> ProductPerformance:
    covered = row["covered_revenue"] or 0.0
    margin = covered - (row["cost"] or 0.0) if covered else None
    units, returned_units = row["units"] or 0.0, row["returned_units"] or 0.0
    return ProductPerformance(
        name=row["name"],
        **{stage: row[stage] or 0 for stage in STAGES},
        units=units,
        returned_units=returned_units,
        revenue=row["revenue"] or 0.0,
        margin=margin,
        covered_revenue=covered,
        add_rate=divide(row["viewers_added"] or 0, row["viewed"] or 0),
        buy_rate=divide(row["viewers_bought"] or 0, row["viewed"] or 0),
        return_rate=divide(returned_units, units),
        margin_share=divide(margin, covered) if margin is not None else None,
    )


@dataclass(frozen=True, kw_only=True)
class ProductSelection:
    """The people of a stage; name: of a product or category.

    Attributes:
        without: leaves out those who also reached this stage, such as those who viewed but did not buy.
    """

    stage: str
    name: str | None = None
    without: str = ""

    def __post_init__(self) -> None:
        require_one_of("stage", self.stage, STAGES)
        require_one_of("without", self.without, ("", *STAGES))


def select_product_people(
    tables: AnalyticsTables, parameters: ProductParameters, selection: ProductSelection
) -> ir.Table:
    """Return the customer_id of the people of a stage; guests without an account are not among them."""
    people = build_product_people(tables, parameters)
    people = people.filter(people.name.isnull() if selection.name is None else people.name == selection.name)
    people = people.filter(people.customer_id.notnull())
    selected = people.filter(people.stage == selection.stage).select("customer_id").distinct()
    if selection.without:
        others = people.filter(people.stage == selection.without).select("customer_id").distinct()
        selected = selected.anti_join(others, "customer_id")
    return selected
