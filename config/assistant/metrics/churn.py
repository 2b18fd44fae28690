"""Metrics of stage changes: customers who became churned, at risk, new or won back in the period of the question, and the churn rate."""

from collections import Counter
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.assistant.caller import AssistantCaller
from config.assistant.metrics.metric import MetricAnswer, MetricQuery, MetricRow, NamedMetric, Unit
from config.assistant.metrics.synonyms import make_synonyms
from config.foundation.backoffice.date_range import DayRange
from config.foundation.number_formats import format_count
from customers.analytics.expressions.periods import PeriodUnit, get_period_start, number_period
from customers.analytics.sources import MIN_CITY_CUSTOMERS
from customers.identity.models import Customer
from customers.identity.personal_data.cities import read_cities
from customers.lifecycle.models import Stage, StageTransition
from customers.lifecycle.rfm.queries import get_profiles_run
from customers.lifecycle.stages.counts import count_entries_by_period, query_entries
from customers.lifecycle.stages.flows import count_stage_flows, query_customers_in_stages, sum_flows_by_stage
from customers.segments.membership import query_members
from customers.segments.models import Segment

INTERVALS = ("week", "month", "quarter")
GROUPINGS = ("city", "country", "previous_stage", "language", "segment")
COLUMNS = {"country": "customer__country", "previous_stage": "from_stage", "language": "customer__language"}
# the stages that a customer can churn from
CUSTOMER_STAGES = (Stage.NEW, Stage.ACTIVE, Stage.LOYAL, Stage.AT_RISK, Stage.DORMANT, Stage.REACTIVATED)


def make_stage_metric(key: str, stage: Stage, **fields: Any) -> NamedMetric:
    """Return the metric of the customers who entered a stage."""

    def compute(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
        return count_stage_changes(query, stage)

    return NamedMetric(
        key=key,
        compute=compute,
        unit=Unit.COUNT,
        scope="customers:read",
        intervals=INTERVALS,
        groupings=GROUPINGS,
        filters=("segment",),
        **fields,
    )


def count_stage_changes(query: MetricQuery, stage: Stage) -> MetricAnswer:
    """Return how many customers entered a stage, by period or by group."""
    days = DayRange(query.since, query.until)
    entries = query_entries(stage=stage, since=days.start, until=days.end)
    now = timezone.now()
    if query.segment and query.group_by != "segment":
        entries = entries.filter(customer__in=query_segment(query.segment))
    if query.group_by:
        rows = [MetricRow(value=count, label=label) for label, count in count_groups(entries, query)]
    elif query.interval:
        rows = list_periods(entries, query)
    else:
        rows = [MetricRow(value=entries.aggregate(number=Count("customer", distinct=True))["number"])]
    run = get_profiles_run()
    return MetricAnswer(
        rows=tuple(rows),
        as_of=run.as_of if run else now,
        path=make_stages_path(query),
        query={"name": f"stage-entries:{stage.value}", "parameters": query.to_parameters()},
        notes=tuple(list_notes(query, stage, days)),
    )


def query_segment(key: str) -> QuerySet[Customer]:
    return query_members(segment=Segment.objects.get(key=key), as_of=timezone.now())


def count_groups(entries: QuerySet[StageTransition], query: MetricQuery) -> list[tuple[str, int]]:
    """Return the customers by group, largest first; groups beyond the limit are combined into one."""
    if query.group_by == "segment":
        total = entries.aggregate(number=Count("customer", distinct=True))["number"]
        members = entries.filter(customer__in=query_segment(query.segment))
        inside = members.aggregate(number=Count("customer", distinct=True))["number"]
        return [(_("Members"), inside), (_("Others"), total - inside)]
    if query.group_by == "city":
        counts = count_cities(entries)
    else:
        column = COLUMNS[query.group_by]
        rows = entries.values(column).annotate(number=Count("customer", distinct=True)).order_by()
        counts = Counter({label_group(query.group_by, row[column]): row["number"] for row in rows})
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _label, number in ordered[query.limit :])
    return ordered[: query.limit] + ([(_("Other values"), rest)] if rest else [])


def count_cities(entries: QuerySet[StageTransition]) -> Counter[str]:
    """Return the customers by city; cities with few customers are counted as one, because they could reveal who the customers are."""
    customers = Customer.objects.filter(pk__in=entries.order_by().values("customer_id"))
    labels = label_cities(customers)
    return +Counter({**Counter(labels.values()), _("Unknown city"): customers.count() - len(labels)})


def label_cities(customers: QuerySet[Customer]) -> dict[int, str]:
    """Return the name of the city by customer, of those with a city; cities with few customers share one name."""
    cities = read_cities(customers)
    counts = Counter(cities.values())
    small = _("Cities with fewer than %(number)d of these customers") % {"number": MIN_CITY_CUSTOMERS}
    names = {city: city if number >= MIN_CITY_CUSTOMERS else small for city, number in counts.items()}
    return {pk: names[city] for pk, city in cities.items()}


def compute_churn_rate(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
    """Return the share of the first day's customers who churned in the period, by group or overall."""
    days = DayRange(query.since, query.until)
    profiles = query_customers_in_stages(at=days.start, stages=CUSTOMER_STAGES)
    customers = Customer.objects.filter(pk__in=profiles.values("pk"))
    if query.segment and query.group_by != "segment":
        customers = customers.filter(pk__in=query_segment(query.segment))
    entries = query_entries(stage=Stage.CHURNED, since=days.start, until=days.end)
    counts = count_churned(customers, entries.order_by().values("customer_id"), query)
    largest = sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))[: query.limit]
    rows = [MetricRow(value=lost / before, label=label, people=before) for label, (before, lost) in largest]
    if not rows and not query.group_by:
        rows = [MetricRow(value=None, people=0)]
    run = get_profiles_run()
    return MetricAnswer(
        rows=tuple(sorted(rows, key=lambda row: -(row.value or 0))),
        as_of=run.as_of if run else timezone.now(),
        path=make_stages_path(query),
        query={"name": "churn-rate", "parameters": query.to_parameters()},
        notes=(
            _(
                "Customers who churned in this period, out of those who had ordered before its first day and had not churned by then."
            ),
        ),
    )


def count_churned(
    customers: QuerySet[Customer], churned: QuerySet[StageTransition, Any], query: MetricQuery
) -> dict[str, tuple[int, int]]:
    """Return the customers of each group and how many of them churned; without a grouping, of one group with an empty name."""
    counts = {"before": Count("pk"), "lost": Count("pk", filter=Q(pk__in=churned))}
    if query.group_by == "city":
        groups = count_churned_by_city(customers, churned)
    elif query.group_by == "segment":
        every = customers.aggregate(**counts)
        members = customers.filter(pk__in=query_segment(query.segment)).aggregate(**counts)
        groups = {
            _("Members"): (members["before"], members["lost"]),
            _("Others"): (every["before"] - members["before"], every["lost"] - members["lost"]),
        }
    elif query.group_by:
        rows = customers.order_by().values_list(query.group_by).annotate(**counts)
        groups = {label_group(query.group_by, value): (before, lost) for value, before, lost in rows}
    else:
        every = customers.aggregate(**counts)
        groups = {"": (every["before"], every["lost"])}
    return {label: (before, lost) for label, (before, lost) in groups.items() if before > 0}


def count_churned_by_city(
    customers: QuerySet[Customer], churned: QuerySet[StageTransition, Any]
) -> dict[str, tuple[int, int]]:
    """Return the customers by city and how many of them churned. Only who has a city is read: cities are encrypted."""
    labels, unknown = label_cities(customers), _("Unknown city")
    before = Counter(labels.values())
    before[unknown] = customers.count() - len(labels)
    lost_ids = customers.filter(pk__in=churned).order_by().values_list("pk", flat=True)
    lost = Counter(labels.get(pk, unknown) for pk in lost_ids)
    return {label: (number, lost[label]) for label, number in before.items()}


def label_group(group_by: str, value: str) -> str:
    """Return what a group is called."""
    if group_by == "previous_stage":
        return str(Stage(value).label) if value in Stage.values else _("No previous stage")
    return value or _("No value")


def list_periods(entries: QuerySet[StageTransition], query: MetricQuery) -> list[MetricRow]:
    """Return the customers by period, also those of periods without any."""
    unit = PeriodUnit(query.interval)
    counts = count_entries_by_period(entries, unit=unit.value)
    rows = []
    for number in range(number_period(query.since, unit), number_period(query.until, unit) + 1):
        start, end = get_period_start(number, unit), get_period_start(number + 1, unit)
        is_whole = query.since <= start and end - timedelta(days=1) <= query.until and end <= timezone.localdate()
        rows.append(MetricRow(value=counts.get(start, 0), start=start, is_complete=is_whole))
    return rows


def list_notes(query: MetricQuery, stage: Stage, days: DayRange) -> list[str]:
    """Return the definition, and the share of the customers who could churn."""
    notes = [
        _("Customers whose lifecycle stage changed to “%(stage)s” in this period; each customer is counted once.")
        % {"stage": stage.label}
    ]
    if stage == Stage.CHURNED and not query.segment and not query.interval:
        before = sum_flows_by_stage(count_stage_flows(since=days.start, until=days.end))
        base = sum(before[other][0] for other in CUSTOMER_STAGES)
        if base:
            notes.append(
                _("On the first day, there were %(number)s customers who had already ordered and had not churned.")
                % {"number": format_count(base)}
            )
    return notes


def make_stages_path(query: MetricQuery) -> str:
    """Return the page Stages with these days."""
    values = {"range": "custom", "since": query.since.isoformat(), "until": query.until.isoformat()}
    return f"{reverse('admin:lifecycle_stages')}?{urlencode(values)}"


METRICS = (
    NamedMetric(
        key="churn_rate",
        compute=compute_churn_rate,
        unit=Unit.SHARE,
        scope="customers:read",
        groupings=("city", "country", "language", "segment"),
        filters=("segment",),
        label=gettext_lazy("Churn rate"),
        description=gettext_lazy(
            "The share of customers who churned in the period, out of those who had ordered before its first day and had not churned by then."
        ),
        synonyms=make_synonyms(
            "churn rate,attrition rate,attrition,share of customers lost,share of churned customers",
            "流失率,客户流失率",
        ),
    ),
    make_stage_metric(
        "churned_customers",
        Stage.CHURNED,
        label=gettext_lazy("Churned customers"),
        description=gettext_lazy("Customers whose lifecycle stage became Churned in the period."),
        synonyms=make_synonyms(
            "churned customers,customers who churned,churn,churned,lost customers,customers lost,left us,how many left",
            "流失客户,客户流失,已流失,流失人数,流失",
        ),
    ),
    make_stage_metric(
        "became_at_risk",
        Stage.AT_RISK,
        label=gettext_lazy("Customers who became at risk"),
        description=gettext_lazy("Customers whose lifecycle stage became At risk in the period."),
        synonyms=make_synonyms(
            "became at risk,customers who became at risk,newly at risk", "新增流失风险,变为流失风险,进入流失风险"
        ),
    ),
    make_stage_metric(
        "new_customers",
        Stage.NEW,
        label=gettext_lazy("New customers"),
        description=gettext_lazy("Customers whose lifecycle stage became New in the period: their first order."),
        synonyms=make_synonyms(
            "new customers,first orders,first-time buyers,first time buyers,acquired customers,newcomers",
            "新客户,新客,新增客户,首单客户,拉新",
        ),
    ),
    make_stage_metric(
        "won_back_customers",
        Stage.REACTIVATED,
        label=gettext_lazy("Won-back customers"),
        description=gettext_lazy("Customers who ordered again after being dormant or churned."),
        synonyms=make_synonyms(
            "won back,won back customers,won-back customers,reactivated,reactivated customers,customers won back",
            "回流客户,回流,召回客户,唤回",
        ),
    ),
)
