"""Metrics from the outcomes of the shop: growth, retention, conversion and satisfaction by week, month or quarter.

They read the stored results that the page Outcomes and REST show, so all three agree.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.assistant.caller import AssistantCaller, ToolError
from config.assistant.metrics.metric import MetricAnswer, MetricQuery, MetricRow, NamedMetric, Unit
from config.assistant.metrics.stored_results import load_result
from config.assistant.metrics.synonyms import make_synonyms
from customers.analytics.backoffice.addresses import make_question_url
from customers.analytics.expressions.matching import ORDER_EVENT, EventMatch
from customers.analytics.expressions.parameters import ParameterError, dump_parameters
from customers.analytics.expressions.periods import PeriodUnit, get_period_start, number_period
from customers.analytics.outcomes.parameters import MAX_PERIODS, OutcomeParameters
from customers.analytics.outcomes.registry import MEASURES
from customers.analytics.questions.trends import TrendParameters, TrendSeries
from recommendations.outcomes.backoffice.figure_names import label_outcome_group

INTERVALS = ("day", "week", "month", "quarter")
LONG_INTERVALS = ("week", "month", "quarter")
LONG_UNITS = (PeriodUnit.QUARTER, PeriodUnit.MONTH, PeriodUnit.WEEK)
# None: the days are measured as one period
SHORT_UNITS = (PeriodUnit.DAY, None)
# what a trend of orders computes for the metrics that it has, too
TREND_MEASURES = {"orders": "events", "active_customers": "people"}
GROUPINGS = ("channel", "stage", "city", "segment")
SCOPE = "analytics:read"

type ReadValue = Callable[[Any], float | None]
type ReadPeople = Callable[[Any], int | None]


def make_outcome_metric(
    key: str, measure: str, read: ReadValue, *, people: ReadPeople | None = None, **fields: Any
) -> NamedMetric:
    """Return a metric that reads one field of the periods of a measure."""

    def compute(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
        return compute_outcome(query, caller, measure=measure, read=read, people=people)

    return NamedMetric(
        key=key,
        compute=compute,
        scope=SCOPE,
        intervals=fields.pop("intervals", INTERVALS),
        groupings=GROUPINGS,
        filters=("segment",),
        defaults={"interval": "month"},
        **fields,
    )


def compute_outcome(
    query: MetricQuery, caller: AssistantCaller, *, measure: str, read: ReadValue, people: ReadPeople | None
) -> MetricAnswer:
    """Return the figure by period and group from the stored result of a measure, which is computed if there is none."""
    metric = METRICS_BY_KEY[query.metric]
    unit = PeriodUnit(query.interval) if query.interval else choose_unit(query, metric)
    is_one_period = unit is None
    try:
        parameters = OutcomeParameters(
            since=query.since,
            until=query.until,
            unit=unit or PeriodUnit.DAY,
            is_one_period=is_one_period,
            segment=query.segment,
            split=query.group_by,
            limit=min(query.limit + 1, 50),
        )
        state = load_result(
            MEASURES[measure].question, parameters, now=timezone.now(), wait_seconds=caller.wait_seconds
        )
    except ParameterError as error:
        raise ToolError(str(error)) from error
    rows: list[MetricRow] = []
    groups = state.result.groups if state.result is not None else ()
    for group in groups if not query.group_by else groups[1:]:
        label = (
            ""
            if group.group is None
            else label_outcome_group(group.group, parameters, with_personal=caller.with_personal)
        )
        rows += [
            MetricRow(
                value=read(period),
                label=label,
                start=None if is_one_period else period.start,
                is_complete=period.is_complete,
                people=people(period) if people else None,
            )
            for period in group.periods
        ]
    if not query.interval and unit == PeriodUnit.DAY and query.since < query.until:
        rows = add_up_days(rows)
    return MetricAnswer(
        rows=tuple(rows),
        as_of=state.as_of,
        is_current=state.is_current,
        is_computing=state.pending_id is not None,
        path=make_page_path(query, unit),
        has_page_days=unit not in SHORT_UNITS or is_trend(query),
        query={
            "name": MEASURES[measure].question,
            "parameters": query.to_parameters() | ({} if unit is None else {"interval": unit.value}),
        },
        notes=tuple(list_notes(query, unit, state.error)),
    )


def choose_unit(query: MetricQuery, metric: NamedMetric) -> PeriodUnit | None:
    """Return the unit in which the days are exactly one period, or its part until today; otherwise days if their values add up.

    None: the days are measured as one period. For a metric without days: the unit of which one period contains the days, else months.
    """
    may_be_days = "day" in metric.intervals
    if may_be_days and query.since == query.until:
        return PeriodUnit.DAY
    for unit in LONG_UNITS:
        if number_period(query.since, unit) == number_period(query.until, unit) and is_whole(query, unit):
            return unit
    if may_be_days and metric.is_additive and (query.until - query.since).days < MAX_PERIODS:
        return PeriodUnit.DAY
    if may_be_days:
        return None
    units = [
        unit for unit in reversed(LONG_UNITS) if number_period(query.since, unit) == number_period(query.until, unit)
    ]
    return units[0] if units else PeriodUnit.MONTH


def is_whole(query: MetricQuery, unit: PeriodUnit) -> bool:
    """Return whether the days are whole periods; the last one may not be over yet."""
    start = get_period_start(number_period(query.since, unit), unit)
    end = get_period_start(number_period(query.until, unit) + 1, unit)
    return query.since == start and (query.until >= timezone.localdate() or query.until == end - timedelta(days=1))


def add_up_days(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Return one row for each group, with the sum of its days."""
    days: dict[str, list[MetricRow]] = defaultdict(list)
    for row in rows:
        days[row.label].append(row)
    return [
        MetricRow(
            value=sum(each.value or 0 for each in group),
            label=label,
            is_complete=all(each.is_complete for each in group),
        )
        for label, group in days.items()
    ]


def list_notes(query: MetricQuery, unit: PeriodUnit | None, error: str) -> list[str]:
    """Return what a reader must know: which periods are measured as a whole, and whose stages and cities these are."""
    notes = [error] if error else []
    if unit not in SHORT_UNITS and not is_whole(query, unit):
        notes.append(_("The complete weeks, months or quarters that contain the selected days are measured."))
    if query.group_by in ("stage", "city") or query.segment:
        notes.append(_("All periods use today's stages, cities and segment members."))
    return notes


def is_trend(query: MetricQuery) -> bool:
    """Return whether a trend has the figures of a query by day."""
    return query.metric in TREND_MEASURES and not query.group_by


def make_page_path(query: MetricQuery, unit: PeriodUnit | None) -> str:
    """Return the page Outcomes with these periods and this split; for days, the trend of orders, or else the weeks that contain them."""
    if unit is None or unit == PeriodUnit.DAY:
        if is_trend(query):
            series = TrendSeries(event=EventMatch(name=ORDER_EVENT), measure=TREND_MEASURES[query.metric])
            trend = TrendParameters(since=query.since, until=query.until, segment=query.segment, series=(series,))
            return make_question_url("trends", dump_parameters(trend))
        unit = PeriodUnit.WEEK  # the page Outcomes has no days
    today = timezone.localdate()
    periods = min(max(number_period(today, unit) - number_period(query.since, unit), 1), 60)
    values = {"unit": unit.value, "periods": periods, "segment": query.segment, "split": query.group_by}
    return f"{reverse('outcomes:page')}?{urlencode({name: value for name, value in values.items() if value})}"


METRICS = (
    make_outcome_metric(
        "revenue",
        "growth",
        lambda period: period.revenue,
        label=gettext_lazy("Revenue"),
        description=gettext_lazy("Money from orders of known customers, net of returns and refunds."),
        is_additive=True,
        unit=Unit.MONEY,
        synonyms=make_synonyms(
            "revenue,sales,turnover,income,how much did we sell,how much money", "销售额,营收,营业额,收入,成交额,gmv"
        ),
    ),
    make_outcome_metric(
        "orders",
        "growth",
        lambda period: period.orders,
        label=gettext_lazy("Orders"),
        description=gettext_lazy("Orders of known customers that were not canceled."),
        is_additive=True,
        unit=Unit.COUNT,
        synonyms=make_synonyms(
            "orders,order count,number of orders,how many orders,purchases", "订单,订单数,订单量,多少订单,单量"
        ),
    ),
    make_outcome_metric(
        "active_customers",
        "growth",
        lambda period: period.customers,
        label=gettext_lazy("Customers who order"),
        description=gettext_lazy("Known customers with at least one order in the period."),
        unit=Unit.COUNT,
        synonyms=make_synonyms(
            "active customers,buyers,ordering customers,customers who order,customers who ordered,customers who bought,shoppers",
            "活跃客户,下单客户,购买客户,下单人数,购买人数,成交客户,买家",
        ),
    ),
    make_outcome_metric(
        "average_order_value",
        "growth",
        lambda period: period.order_value,
        people=lambda period: period.orders,
        label=gettext_lazy("Average order value"),
        description=gettext_lazy("Revenue ÷ orders."),
        unit=Unit.MONEY,
        synonyms=make_synonyms(
            "average order value,aov,order value,basket value,average basket,basket size", "客单价,笔单价,平均订单金额"
        ),
    ),
    make_outcome_metric(
        "revenue_per_customer",
        "growth",
        lambda period: period.revenue_per_customer,
        people=lambda period: period.customers,
        label=gettext_lazy("Revenue per customer"),
        description=gettext_lazy("Revenue ÷ customers who order."),
        unit=Unit.MONEY,
        synonyms=make_synonyms(
            "revenue per customer,spend per customer,arpu", "人均销售额,人均消费,每客户销售额,客均消费"
        ),
    ),
    make_outcome_metric(
        "orders_per_customer",
        "growth",
        lambda period: period.orders_per_customer,
        people=lambda period: period.customers,
        label=gettext_lazy("Orders per customer"),
        description=gettext_lazy("Orders ÷ customers who order."),
        unit=Unit.NUMBER,
        synonyms=make_synonyms("orders per customer,purchase frequency,order frequency", "人均订单,购买频次,人均单量"),
    ),
    make_outcome_metric(
        "retention",
        "retention",
        lambda period: period.share,
        people=lambda period: period.customers_before,
        label=gettext_lazy("Retention"),
        description=gettext_lazy("The share of the previous period's customers who ordered again in this period."),
        intervals=LONG_INTERVALS,
        unit=Unit.SHARE,
        synonyms=make_synonyms(
            "retention,retention rate,repeat rate,repeat customers,returning customers,come back,came back",
            "留存,留存率,复购率,复购,回头客,回购率",
        ),
    ),
    make_outcome_metric(
        "conversion_rate",
        "conversion",
        lambda period: period.rate,
        people=lambda period: period.visits,
        label=gettext_lazy("Conversion rate"),
        description=gettext_lazy("The share of sessions that began in the period and led to an order."),
        unit=Unit.SHARE,
        synonyms=make_synonyms("conversion rate,conversion,cvr", "转化率,转化"),
    ),
    make_outcome_metric(
        "visits",
        "conversion",
        lambda period: period.visits,
        label=gettext_lazy("Sessions"),
        description=gettext_lazy("Sessions that began in the period. A session ends after 30 minutes of inactivity."),
        is_additive=True,
        unit=Unit.COUNT,
        synonyms=make_synonyms("visits,sessions,traffic", "访问,访问量,会话,流量"),
    ),
    make_outcome_metric(
        "average_rating",
        "satisfaction",
        lambda period: period.rating.value,
        people=lambda period: period.rating.answers,
        label=gettext_lazy("Average rating"),
        description=gettext_lazy("The mean star rating of reviews written in the period."),
        unit=Unit.NUMBER,
        synonyms=make_synonyms(
            "average rating,rating,ratings,stars,review score,satisfaction", "平均评分,评分,星级,满意度"
        ),
    ),
    make_outcome_metric(
        "nps",
        "satisfaction",
        lambda period: period.nps.value,
        people=lambda period: period.nps.answers,
        label=gettext_lazy("NPS"),
        description=gettext_lazy("Promoters minus detractors among the survey answers in the period, in points."),
        unit=Unit.NUMBER,
        synonyms=make_synonyms("nps,net promoter score,promoters", "nps,净推荐值"),
    ),
)
METRICS_BY_KEY = {metric.key: metric for metric in METRICS}
