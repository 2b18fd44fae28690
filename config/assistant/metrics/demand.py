"""Metrics of the demand forecast, which is computed every night."""

from django.urls import reverse
from django.utils.translation import gettext_lazy

from config.assistant.caller import AssistantCaller
from config.assistant.metrics.metric import MetricAnswer, MetricQuery, MetricRow, NamedMetric, Unit
from config.assistant.metrics.synonyms import make_synonyms
from customers.demand.models import DemandForecast, RestockItem
from customers.demand.restock_list import SOON_DAYS

SCOPE = "demand:read"


def sum_forecast(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
    """Return the units expected in the next 28 days, of the whole shop or of the categories with the highest demand."""
    forecasts = DemandForecast.objects.filter(product=None).select_related("category")
    if query.group_by == "category":
        shown = sorted(forecasts.exclude(category=None), key=lambda each: -sum(each.mean))[: query.limit]
    else:
        shown = list(forecasts.filter(category=None)[:1])
    return MetricAnswer(
        rows=tuple(
            MetricRow(value=sum(each.mean), label=str(each.category) if each.category_id else "") for each in shown
        ),
        as_of=max((each.computed_at for each in shown), default=None),
        path=reverse("demand:shop"),
        query={"name": "demand-forecast", "parameters": {"days": 28, "group_by": query.group_by}},
        notes=() if shown else (gettext_lazy("There is no forecast yet. It is computed every night from the orders."),),
    )


def count_restock(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
    """Return the products to order now, those with the most money at risk first."""
    items = RestockItem.objects.filter(order_quantity__gt=0).select_related("product").order_by("-money_at_risk", "pk")
    shown = list(items[: query.limit])
    return MetricAnswer(
        rows=tuple(MetricRow(value=item.order_quantity, label=item.product.title) for item in shown),
        as_of=max((item.computed_at for item in shown), default=None),
        path=reverse("demand:restock"),
        query={"name": "restock-list", "parameters": {"state": "now", "soon_days": SOON_DAYS, "limit": query.limit}},
        notes=() if shown else (gettext_lazy("No products with tracked stock need to be ordered now."),),
    )


METRICS = (
    NamedMetric(
        key="expected_demand",
        label=gettext_lazy("Expected demand"),
        description=gettext_lazy("Units expected to be sold in the next 28 days."),
        unit=Unit.COUNT,
        synonyms=make_synonyms(
            "expected demand,demand forecast,demand,forecast,expected sales,units expected,sales forecast",
            "需求预测,预计需求,销量预测,预测销量,预计销量,需求",
        ),
        scope=SCOPE,
        groupings=("category",),
        is_current_state=True,
        compute=sum_forecast,
    ),
    NamedMetric(
        key="restock",
        label=gettext_lazy("Products to restock"),
        description=gettext_lazy("Products to order now, with the proposed quantity."),
        unit=Unit.COUNT,
        synonyms=make_synonyms(
            "restock,products to restock,restock list,what to reorder,reorder,what should we order,out of stock",
            "补货,补货清单,需要补货,缺货,该补什么货",
        ),
        scope=SCOPE,
        is_current_state=True,
        is_list=True,
        compute=count_restock,
    ),
)
