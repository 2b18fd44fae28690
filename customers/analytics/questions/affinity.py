"""Product affinity: which products or categories are bought by the same people, and more often than by chance.

Formula: lift = P(A and B) / (P(A) · P(B)) over the people who buy anything; confidence = P(B | A). Source: Agrawal, Imieliński & Swami
(1993), Mining association rules; Brin et al. (1997) for the lift.
"""

from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.parameters import DateRange, require_between, require_one_of
from customers.analytics.expressions.tables import AnalyticsTables

MAX_ROWS = 500
# only pairs of this many most bought products are counted, which bounds the number of pairs
MAX_PRODUCTS = 2_000
LEVELS, SORTS = ("product", "category"), ("people", "lift")


@dataclass(frozen=True, kw_only=True)
class AffinityParameters(DateRange):
    """Which pairs are listed.

    Attributes:
        level: product or category. sort: people or lift. min_people: pairs that fewer people bought are left out. limit: of pairs.
    """

    level: str = "product"
    sort: str = "people"
    min_people: int = 5
    limit: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of("level", self.level, LEVELS)
        require_one_of("sort", self.sort, SORTS)
        require_between("min_people", self.min_people, 1, 1_000_000)
        require_between("limit", self.limit, 1, MAX_ROWS)


@dataclass(frozen=True, kw_only=True)
class ProductPair:
    """Two products or categories.

    Attributes:
        first_people, second_people, people: who buy the first one, the second one, and both. confidence: the share of the buyers of the
            first one who also buy the second one. lift: how many times as often as if both were independent.
    """

    first: str
    second: str
    first_people: int
    second_people: int
    people: int
    confidence: float
    lift: float


@dataclass(frozen=True, kw_only=True)
class AffinityResult:
    """The pairs; buyers: people who bought anything."""

    as_of: datetime
    buyers: int
    pairs: tuple[ProductPair, ...]


def build_purchases(tables: AnalyticsTables, parameters: AffinityParameters) -> ir.Table:
    """Return customer_id and name, once each: who bought which product or category."""
    lines = tables.select_lines(parameters).filter(ibis._.quantity > 0)
    name = lines.category if parameters.level == "category" else lines.product_id
    rows = lines.select("customer_id", name=name)
    return rows.filter(rows.customer_id.notnull() & rows.name.notnull() & (rows.name != "")).distinct()


def run_affinity(tables: AnalyticsTables, parameters: AffinityParameters) -> AffinityResult:
    """Count the people of each pair; the one that more people buy comes first."""
    with tables.materialize(build_purchases(tables, parameters)) as purchases:
        count = tables.engine.count_distinct(purchases.customer_id)
        buyers = tables.fetch(purchases.agg(buyers=count))[0]["buyers"]
        counted = purchases.group_by("name").agg(people=purchases.count())
        counted = counted.filter(counted.people >= parameters.min_people)
        top = counted.order_by(ibis.desc("people"), "name").limit(MAX_PRODUCTS)
        with tables.materialize(top) as names:
            rows = tables.fetch(_build_pairs(purchases, names, buyers, parameters)) if buyers else []
    return AffinityResult(as_of=tables.as_of, buyers=buyers, pairs=tuple(ProductPair(**row) for row in rows))


def _build_pairs(purchases: ir.Table, names: ir.Table, buyers: int, parameters: AffinityParameters) -> ir.Table:
    ranked = names.order_by(ibis.desc(names.people), names.name).select(
        "name", "people", rank=ibis.row_number().over(ibis.window(order_by=[ibis.desc(names.people), names.name]))
    )
    bought = purchases.inner_join(ranked, "name").select("customer_id", "rank")
    other = bought.view()
    joined = bought.inner_join(other, [bought.customer_id == other.customer_id, bought["rank"] < other["rank"]])
    joined = joined.select(a=bought["rank"], b=other["rank"])
    pairs = joined.group_by("a", "b").agg(pair=joined.count())
    pairs = pairs.filter(pairs.pair >= parameters.min_people)
    first = ranked.select(a="rank", first="name", first_people="people")
    second = ranked.select(b="rank", second="name", second_people="people")
    pairs = pairs.inner_join(first, "a").inner_join(second, "b")
    people = pairs.pair.cast("float64")
    rows = pairs.select(
        "first",
        "second",
        "first_people",
        "second_people",
        people=pairs.pair,
        confidence=people / pairs.first_people,
        lift=people * buyers / (pairs.first_people.cast("float64") * pairs.second_people),
    )
    order = [*map(ibis.desc, dict.fromkeys([parameters.sort, "people"])), "first", "second"]
    return rows.order_by(order).limit(parameters.limit)


@dataclass(frozen=True, kw_only=True)
class AffinitySelection:
    """The people who bought the first one.

    Attributes:
        second: and the second one too; empty for all. is_missing: the first one but not the second one.
    """

    first: str
    second: str = ""
    is_missing: bool = False


def select_affinity_people(
    tables: AnalyticsTables, parameters: AffinityParameters, selection: AffinitySelection
) -> ir.Table:
    """Return the customer_id of the people of a pair."""
    purchases = build_purchases(tables, parameters)
    people = purchases.filter(purchases.name == selection.first).select("customer_id")
    if not selection.second:
        return people
    others = purchases.filter(purchases.name == selection.second).select("customer_id")
    join = people.anti_join if selection.is_missing else people.semi_join
    return join(others, "customer_id")
