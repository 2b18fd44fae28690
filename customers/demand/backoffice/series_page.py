"""The pages of a product, a category and the shop: what was sold and what is expected."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from catalog.categories import format_path
from catalog.models import Category, Product
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import (
    format_change,
    format_count,
    format_money,
    format_percent,
    round_for_reading,
)
from customers.demand.backoffice.charts import build_demand_chart
from customers.demand.backoffice.texts import CLASSES, MODELS
from customers.demand.models import DemandForecast, RestockItem
from customers.lifecycle.facts.amounts import get_amount_currency

PERMISSION = "demand.view_demandforecast"
DAYS = 28


@require_safe
def show_product(request: HttpRequest, pk: int) -> HttpResponse:
    check_permission(request)
    product = get_object_or_404(Product, pk=pk)
    forecast = DemandForecast.objects.filter(product=product).first()
    item = RestockItem.objects.filter(product=product).first()
    return show_series(request, product.title, forecast, item=item)


@require_safe
def show_category(request: HttpRequest, pk: int) -> HttpResponse:
    check_permission(request)
    category = get_object_or_404(Category, pk=pk)
    forecast = DemandForecast.objects.filter(category=category, product=None).first()
    return show_series(request, format_path(category.path), forecast)


@require_safe
def show_shop(request: HttpRequest) -> HttpResponse:
    check_permission(request)
    forecast = DemandForecast.objects.filter(category=None, product=None).first()
    return show_series(request, _("All products"), forecast)


def check_permission(request: HttpRequest) -> None:
    check_permissions(request, PERMISSION)


def show_series(
    request: HttpRequest, title: str, forecast: DemandForecast | None, *, item: RestockItem | None = None
) -> HttpResponse:
    by = request.GET.get("by", "day")
    if by not in ("day", "week"):
        raise Http404("by must be day or week.")
    context: dict[str, Any] = {"forecast": forecast, "by": by}
    if forecast is not None:
        context |= {
            "chart": build_demand_chart(forecast, by_week=by == "week"),
            "model": MODELS.get(forecast.model, forecast.model),
            "demand_class": CLASSES.get(forecast.demand_class, forecast.demand_class),
            "error": None if forecast.error is None else round_for_reading(forecast.error),
            "sentence": describe_series(forecast),
            "restock": describe_item(item) if item else None,
        }
    return render_page(
        request,
        "admin/demand/series.html",
        title=title,
        verdict=context.get("sentence", ""),
        as_of=forecast.computed_at if forecast else None,
        **context,
    )


def describe_series(forecast: DemandForecast) -> str:
    """Return how many units are expected, compared with the same number of days before."""
    expected, before = sum(forecast.mean), sum(forecast.history[-DAYS:])
    values = {"expected": format_count(round(expected)), "before": format_count(round(before))}
    if before <= 0 or len(forecast.history) < DAYS:
        return _("%(expected)s units are expected in the next 28 days.") % values
    values["change"] = format_change(expected / before - 1)
    return (
        _("%(expected)s units are expected in the next 28 days, after %(before)s in the last 28 (%(change)s).") % values
    )


def describe_days_left(days: int) -> str:
    return ngettext(
        "The reorder point is expected to be reached in %(days)s day.",
        "The reorder point is expected to be reached in %(days)s days.",
        days,
    ) % {"days": format_count(days)}


def describe_item(item: RestockItem) -> dict[str, Any]:
    return {
        "stock": format_count(item.stock),
        "incoming": format_count(item.incoming) if item.incoming else "",
        "return_rate": format_percent(item.return_rate) if item.return_rate else "",
        "reorder_point": format_count(item.reorder_point),
        "safety_stock": format_count(round(item.safety_stock)),
        "lead_days": format_count(item.lead_days),
        "quantity": format_count(item.order_quantity) if item.order_quantity else "",
        "reached": "" if item.days_left is None else describe_days_left(item.days_left),
        "risk": format_money(item.money_at_risk, get_amount_currency()),
        "is_revenue": item.order_value is None,  # neither a cost nor a margin rate is known
    }
