"""Metrics of the current customers: how many there are by stage, group or city, who is at risk, and what they are worth."""

import json
from collections import Counter
from typing import Any
from urllib.parse import urlencode

from django.db.models import Avg, Count, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.assistant.caller import AssistantCaller, ToolError
from config.assistant.metrics.metric import MetricAnswer, MetricQuery, MetricRow, NamedMetric, Text, Unit
from config.assistant.metrics.synonyms import make_synonyms
from customers.analytics.sources import MIN_CITY_CUSTOMERS
from customers.identity.models import Customer
from customers.identity.personal_data.cities import read_cities
from customers.lifecycle.models import RfmGroup, Stage
from customers.lifecycle.rfm.queries import get_profiles_run
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.membership import query_matching

SCOPE = "customers:read"
GROUPINGS = ("stage", "rfm_group", "city", "country", "language", "segment")
COLUMNS = {"stage": "profile__stage", "rfm_group": "profile__rfm_group", "country": "country", "language": "language"}
HIGH_RISK = 0.5

type Condition = dict[str, Any]


def build_condition(query: MetricQuery, *fixed: Condition) -> Condition:
    """Return the segment condition of a query: what the metric counts, and its filters."""
    parts = list(fixed)
    if query.stage:
        parts.append({"field": "stage", "op": "in", "value": [query.stage]})
    if query.segment and query.group_by != "segment":
        parts.append({"field": "segment", "op": "in", "value": [query.segment]})
    return {"all": parts}


def make_customer_metric(key: str, *fixed: Condition, **fields: Any) -> NamedMetric:
    """Return the metric of the customers who match a condition now."""

    def compute(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
        condition = build_condition(query, *fixed)
        customers = query_customers_of(condition)
        if query.group_by:
            rows = [MetricRow(value=number, label=label) for label, number in count_groups(customers, query)]
        else:
            rows = [MetricRow(value=customers.count())]
        return build_answer(query, rows, condition)

    return NamedMetric(
        key=key,
        compute=compute,
        unit=Unit.COUNT,
        scope=SCOPE,
        groupings=GROUPINGS,
        is_current_state=True,
        **{"filters": ("segment", "stage"), **fields},
    )


def query_customers_of(condition: Condition) -> QuerySet[Customer]:
    """Return the customers with a profile who match. Raises ToolError."""
    try:
        customers = query_matching(condition=condition, as_of=timezone.now())
    except ConditionError as error:
        raise ToolError(str(error)) from error
    return customers.filter(profile__isnull=False)


def build_answer(
    query: MetricQuery, rows: list[MetricRow], condition: Condition, *notes: Text, name: str = "customers"
) -> MetricAnswer:
    """Return the rows with a link to the list of these customers."""
    run = get_profiles_run()
    values = {} if condition == {"all": []} else {"condition": json.dumps(condition, separators=(",", ":"))}
    url = reverse("customer_list:list")
    return MetricAnswer(
        rows=tuple(rows),
        as_of=run.as_of if run else timezone.now(),
        path=f"{url}?{urlencode(values)}" if values else url,
        query={"name": name, "parameters": {"condition": condition, "group_by": query.group_by}},
        notes=notes,
    )


def count_groups(customers: QuerySet[Customer], query: MetricQuery) -> list[tuple[str, int]]:
    """Return the customers by group: stages in their order, others by size; those beyond the limit are combined into one."""
    if query.group_by == "segment":
        inside = customers.filter(
            pk__in=query_customers_of({"all": [{"field": "segment", "op": "in", "value": [query.segment]}]})
        ).count()
        return [(_("Members"), inside), (_("Others"), customers.count() - inside)]
    if query.group_by == "city":
        counts = count_cities(customers)
    else:
        column = COLUMNS[query.group_by]
        rows = customers.order_by().values(column).annotate(number=Count("pk"))
        counts = Counter({row[column] or "": row["number"] for row in rows})
    if query.group_by == "stage":
        return [(str(stage.label), counts[stage.value]) for stage in Stage if counts[stage.value]]
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _label, number in ordered[query.limit :])
    named = [(label_group(query.group_by, value), number) for value, number in ordered[: query.limit]]
    return named + ([(_("Other values"), rest)] if rest else [])


def count_cities(customers: QuerySet[Customer]) -> Counter[str]:
    """Return the customers by city; cities with few customers are one group, because they could reveal who the customers are."""
    cities = read_cities(customers)
    counts = Counter(cities.values())
    named = Counter({city: number for city, number in counts.items() if number >= MIN_CITY_CUSTOMERS})
    if small := counts.total() - named.total():
        named[_("Cities with fewer than %(number)d of these customers") % {"number": MIN_CITY_CUSTOMERS}] = small
    if unknown := customers.count() - counts.total():
        named[_("Unknown city")] = unknown
    return named


def label_group(group_by: str, value: str) -> str:
    """Return what a group is called."""
    if group_by == "rfm_group":
        return str(RfmGroup(value).label) if value in RfmGroup.values else _("No RFM group")
    return value or _("No value")


def sum_value(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
    """Return the predicted value of the customers who match."""
    condition = build_condition(query)
    total = query_customers_of(condition).aggregate(total=Sum("profile__value"), people=Count("profile__value"))
    rows = [MetricRow(value=None if total["total"] is None else float(total["total"]), people=total["people"])]
    return build_answer(query, rows, condition, name="predicted_value")


def average_risk(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
    """Return the mean churn risk of the customers who match."""
    condition = build_condition(query)
    customers = query_customers_of(condition).exclude(profile__churn=None)
    total = customers.aggregate(mean=Avg("profile__churn"), people=Count("pk"))
    return build_answer(
        query, [MetricRow(value=total["mean"], people=total["people"])], condition, name="average_churn_risk"
    )


METRICS = (
    make_customer_metric(
        "customers",
        label=gettext_lazy("Customers"),
        description=gettext_lazy("Customers with a profile, now."),
        synonyms=make_synonyms(
            "customers,how many customers,number of customers,customer count,people,clients,members",
            "客户数,客户总数,多少客户,客户,会员数,人数,多少人",
        ),
    ),
    make_customer_metric(
        "customers_at_risk",
        {"field": "stage", "op": "in", "value": [Stage.AT_RISK.value]},
        filters=("segment",),
        is_list=True,
        label=gettext_lazy("Customers at risk"),
        description=gettext_lazy("Customers whose lifecycle stage is At risk now."),
        synonyms=make_synonyms(
            "customers at risk,at risk,at-risk customers,who is at risk,who is about to leave,who is leaving,about to churn,likely to churn,"
            "at risk of churn,at risk of churning,who is at risk of churn,who is at risk of churning,customers at risk of churn,"
            "customers at risk of churning",
            "流失风险客户,有流失风险,谁有流失风险,谁要流失,即将流失,流失风险,快要流失",
        ),
    ),
    make_customer_metric(
        "vip_customers",
        {"field": "rfm_group", "op": "in", "value": [RfmGroup.CHAMPIONS.value]},
        filters=("segment", "stage"),
        is_list=True,
        label=gettext_lazy("VIP customers (Champions)"),
        description=gettext_lazy(
            "Customers in the RFM group Champions, who bought recently, often and for high amounts. If there is a segment "
            "named VIP, that segment is used instead."
        ),
        synonyms=make_synonyms(
            "vip customers,vips,vip,champions,best customers,top customers,most valuable customers",
            "vip客户,vip,重要价值客户,重要价值,最好的客户,高价值客户,大客户",
        ),
    ),
    make_customer_metric(
        "high_churn_risk",
        {"field": "churn", "op": "gte", "value": HIGH_RISK},
        is_list=True,
        label=gettext_lazy("Customers with a high churn risk"),
        description=gettext_lazy("Customers with a predicted churn risk of 50% or more."),
        synonyms=make_synonyms(
            "high churn risk,customers with a high churn risk,high risk customers", "高流失概率,高流失风险,流失概率高"
        ),
    ),
    NamedMetric(
        key="predicted_value",
        label=gettext_lazy("Predicted value (CLV)"),
        description=gettext_lazy("The total expected customer spend in the next 12 months."),
        unit=Unit.MONEY,
        synonyms=make_synonyms(
            "predicted value,clv,customer lifetime value,lifetime value,ltv,expected spend",
            "预测价值,clv,客户终身价值,终身价值,ltv",
        ),
        scope=SCOPE,
        filters=("segment", "stage"),
        is_current_state=True,
        compute=sum_value,
    ),
    NamedMetric(
        key="average_churn_risk",
        label=gettext_lazy("Average churn risk"),
        description=gettext_lazy("The mean of the predicted churn risk of customers."),
        unit=Unit.SHARE,
        synonyms=make_synonyms(
            "average churn risk,churn risk,churn probability,mean churn risk", "平均流失风险,平均流失概率,流失概率"
        ),
        scope=SCOPE,
        filters=("segment", "stage"),
        is_current_state=True,
        compute=average_risk,
    ),
)
