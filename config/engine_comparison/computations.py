"""The computations by key. Add a line here for each new warehouse expression, so that all engines are tested with it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

import ibis
import ibis.expr.types as ir

from config.engine_comparison.tables import ComparisonTables
from config.foundation.calendars.local_clock import get_local_clock
from customers.analytics.expressions.breakdowns import Breakdown
from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch, PropertyFilter
from customers.analytics.expressions.periods import PeriodUnit
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.outcomes.registry import MEASURES
from customers.analytics.questions.activity import ActivityParameters, StickinessParameters
from customers.analytics.questions.affinity import AffinityParameters
from customers.analytics.questions.funnel import Exclusion, FunnelParameters
from customers.analytics.questions.paths import PathParameters
from customers.analytics.questions.products import ProductParameters
from customers.analytics.questions.registry import QUESTIONS
from customers.analytics.questions.repeat import FirstPurchaseParameters
from customers.analytics.questions.retention import RetentionParameters
from customers.analytics.questions.sessions import SessionParameters
from customers.analytics.questions.trends import TrendParameters, TrendSeries
from customers.lifecycle.facts.warehouse_facts import (
    DAY,
    build_documents,
    build_features,
    build_purchase_histories,
    build_rfm,
)
from recommendations.training.data.interaction_tables import build_order_lines_table
from recommendations.training.data.pair_counts import (
    build_basket_neighbors,
    build_item_neighbors,
    build_popularity,
    build_transitions,
    build_user_neighbors,
    count_split,
)

DAYS = 400
VIEW, CART, PURCHASE = EventMatch(meaning="view"), EventMatch(meaning="cart"), EventMatch(name=ORDER_EVENT)

type Computation = Callable[[ComparisonTables], Any]


def list_computations(*, with_events: bool = True) -> dict[str, Computation]:
    """Return the computations by key; without events, only those that read nothing but orders."""
    chosen = {key: make for key, make in QUESTION_PARAMETERS.items() if with_events or key in QUESTIONS_OF_ORDERS}
    questions = {key: partial(_answer, key.split(":")[0], make) for key, make in chosen.items()}
    return questions | {key: partial(_compute, build) for key, build in EXPRESSIONS.items()}


def _answer(question: str, make: Callable[[Mapping[str, date]], Any], tables: ComparisonTables) -> Any:
    """Return the answer to a question over the last days."""
    until = tables.as_of.astimezone(tables.analytics.zone).date()
    return QUESTIONS[question].run(tables.analytics, make({"since": until - timedelta(days=DAYS), "until": until}))


def _compute(build: Callable[[ComparisonTables], ir.Table], tables: ComparisonTables) -> Any:
    """Return the rows of an expression."""
    return tables.warehouse.backend.to_pyarrow(build(tables))


def _read_documents(tables: ComparisonTables) -> ir.Table:
    analytics = tables.analytics
    return build_documents(
        analytics.orders, analytics.engine, as_of=analytics.known_until, currency=analytics.currency or "EUR"
    )


def _read_purchases(tables: ComparisonTables) -> ir.Table:
    """Return the order lines of customers as interactions, with times in microseconds."""
    lines = build_order_lines_table(tables.warehouse)
    return lines.mutate(at=tables.analytics.engine.to_microseconds(lines["at"]))


# expressions of customers and of interactions
EXPRESSIONS: dict[str, Callable[[ComparisonTables], ir.Table]] = {
    "purchase-histories": lambda tables: build_purchase_histories(
        _read_documents(tables), as_of=tables.analytics.known_until, clock=get_local_clock(tables.analytics.zone)
    ),
    "rfm": lambda tables: build_rfm(_read_documents(tables)),
    "lifecycle-features": lambda tables: build_features(
        _read_documents(tables), tables.analytics.engine, as_of=tables.analytics.known_until
    ),
    "popularity": lambda tables: build_popularity(_read_purchases(tables)),
    "item-neighbors": lambda tables: build_item_neighbors(_read_purchases(tables), k=20, shrinkage=5),
    "user-neighbors": lambda tables: build_user_neighbors(_read_purchases(tables), k=20),
    "basket-neighbors": lambda tables: build_basket_neighbors(_read_purchases(tables), k=20),
    "transitions": lambda tables: build_transitions(_read_purchases(tables), k=20),
    "evaluation-counts": lambda tables: count_split(
        _read_purchases(tables), at=ibis.literal(tables.analytics.known_until - 30 * DAY)
    ),
}


def _make_trends(
    days: Mapping[str, Any], measures: Sequence[str], *, property: str = "value", **options: Any
) -> TrendParameters:
    series = tuple(TrendSeries(event=VIEW, measure=measure, property=property, share=0.9) for measure in measures)
    return TrendParameters(**days, series=series, interval=PeriodUnit.WEEK, **options)


def _make_filters(*conditions: tuple[str, str, Any]) -> TrendSeries:
    filters = tuple(PropertyFilter(property=name, op=op, value=value) for name, op, value in conditions)
    return TrendSeries(event=EventMatch(meaning="view", filters=filters))


# question, or question:variant → parameters
QUESTION_PARAMETERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "funnel": lambda days: FunnelParameters(**days, steps=(VIEW, CART, PURCHASE)),
    "funnel:strict": lambda days: FunnelParameters(**days, steps=(VIEW, CART), order="strict"),
    "funnel:any": lambda days: FunnelParameters(
        **days, steps=(VIEW, CART, PURCHASE), order="any", breakdown=Breakdown(name="coupon", limit=2)
    ),
    "funnel:excluded": lambda days: FunnelParameters(
        **days,
        steps=(VIEW, PURCHASE),
        exclusions=(Exclusion(event=CART),),
        breakdown=Breakdown(kind="customer", name="stage", limit=1),
    ),
    "sessions": lambda days: SessionParameters(**days, goal=PURCHASE),
    "retention": lambda days: RetentionParameters(**days, interval=PeriodUnit.WEEK, returning=PURCHASE),
    "retention:each": lambda days: RetentionParameters(**days, cohort="each_time", interval=PeriodUnit.MONTH),
    "retention:orders": lambda days: RetentionParameters(**days, cohort="first_order", interval=PeriodUnit.DAY),
    "paths": lambda days: PathParameters(**days, anchor=VIEW, goal=PURCHASE),
    "paths:labelled": lambda days: PathParameters(**days, label="coupon", is_backward=True),
    "trends": lambda days: _make_trends(days, ("people", "quantile", "sum")),
    "trends:split": lambda days: _make_trends(
        days, ("average", "per_person"), breakdown=Breakdown(name="coupon", limit=2)
    ),
    "trends:property": lambda days: _make_trends(days, ("sum", "average", "quantile"), property="price"),
    "trends:filtered": lambda days: TrendParameters(
        **days,
        interval=PeriodUnit.MONTH,
        series=(
            _make_filters(("price", "gte", 20), ("coupon", "ne", "C1")),
            _make_filters(("coupon", "in", ("C1", "C2", 5)), ("path", "contains", "/P")),
            _make_filters(("price", "is_not_set", "")),
        ),
    ),
    "activity": lambda days: ActivityParameters(**days),
    "stickiness": lambda days: StickinessParameters(**days),
    "products": lambda days: ProductParameters(**days),
    "affinity": lambda days: AffinityParameters(**days, min_people=1),
    "repeat": lambda days: FirstPurchaseParameters(**days, min_people=1),
    **{
        measure.question: lambda days: OutcomeParameters(**days, unit=PeriodUnit.MONTH, split="channel")
        for measure in MEASURES.values()
    },
}

QUESTIONS_OF_ORDERS = {
    "retention:orders",
    "affinity",
    "products",
    "repeat",
    "outcome-growth",
    "outcome-retention",
}
