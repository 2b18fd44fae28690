"""The page Demand: what to order now, how much, and what it costs not to."""

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from catalog.categories import format_path
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_percent, format_whole_money, round_for_reading
from customers.demand.backoffice.texts import MODELS, describe_accuracy, describe_problem
from customers.demand.models import DemandForecast, DemandRun, DemandSettings, RestockItem, load_demand_settings
from customers.demand.refresh import find_latest_run, find_running, has_last_run_failed
from customers.demand.restock_list import query_restock_items, summarize_restock
from customers.lifecycle.facts.amounts import get_amount_currency

VIEW, CHANGE = "demand.view_restockitem", "demand.change_demandsettings"
MAX_CATEGORIES = 25
COLUMNS = (
    Column(key="product", label=gettext_lazy("Product"), align="text", sort="product__title"),
    Column(key="when", label=gettext_lazy("Order"), align="text", sort="days_left"),
    Column(key="quantity", label=gettext_lazy("Order quantity"), sort="order_quantity"),
    Column(key="stock", label=gettext_lazy("Stock"), sort="stock"),
    Column(key="lead_demand", label=gettext_lazy("Demand until delivery"), sort="lead_demand"),
    Column(key="reorder_point", label=gettext_lazy("Reorder point"), sort="reorder_point"),
    Column(key="value", label=gettext_lazy("Order value"), sort="order_value"),
    Column(key="risk", label=gettext_lazy("Margin at risk"), sort="money_at_risk"),
)
COVERAGES = {
    "coverage80": gettext_lazy("Days within the 80% interval: products"),
    "coverage80_categories": gettext_lazy("Days within the 80% interval: categories"),
    "coverage80_shop": gettext_lazy("Days within the 80% interval: whole shop"),
}
REVENUE_AT_RISK = gettext_lazy("Revenue at risk")
CATEGORY_COLUMNS = (
    Column(key="name", label=gettext_lazy("Category"), align="text", sort="category__path"),
    Column(key="before", label=gettext_lazy("Units in the last 28 days")),
    Column(key="expected", label=gettext_lazy("Units expected in the next 28 days")),
    Column(key="model", label=gettext_lazy("Model"), align="text"),
)


class RestockSettingsForm(forms.ModelForm):
    class Meta:
        model = DemandSettings
        fields = ("lead_days", "review_days", "service_level", "order_cost", "holding_rate", "resale_share", "country")


def show_restock_list(request: HttpRequest) -> HttpResponse:
    """Show the restock list, and store the settings that a user posts."""
    check_permissions(request, VIEW)
    form = RestockSettingsForm(request.POST or None, instance=load_demand_settings())
    if request.method == "POST":
        check_permissions(request, CHANGE)
        if form.is_valid():
            form.save()
            messages.success(request, _("Saved. The next refresh uses these settings."))
            return HttpResponseRedirect(reverse("demand:restock"))
    run = find_latest_run()
    problem = describe_problem(run)
    context: dict[str, Any] = {
        "progress": build_progress(is_first=run is None),
        "form": form,
        "can_change": request.user.has_perm(CHANGE),
        "problem": problem,
        "run": run,
    }
    if run is not None and not problem:
        context |= build_results(request, run)
    return render_page(
        request,
        "admin/demand/restock.html",
        title=_("Demand"),
        verdict=context.get("sentence", ""),
        as_of=run.as_of if run else None,
        status=400 if form.is_bound and not form.is_valid() else None,
        **context,
    )


@require_safe
def show_progress(request: HttpRequest) -> HttpResponse:
    """Show the progress of a running forecast; htmx polls it, and reloads the page when the forecast is finished."""
    check_permissions(request, VIEW)
    run = find_latest_run()
    progress = build_progress(is_first=run is None)
    response = render(request, "admin/demand/progress.html", {"progress": progress})
    known = request.GET.get("run", "")
    is_known = known.isdecimal() and len(known) < 19
    if not progress["is_running"] and is_known and run is not None and run.pk >= int(known):
        response["HX-Refresh"] = "true"
    return response


def build_progress(*, is_first: bool) -> dict[str, Any]:
    """Return the state of a running forecast. Before the first one, the page waits for it to start."""
    running = find_running()
    if running is None:
        return {"is_running": False, "is_awaited": is_first, "run": 0, "has_failed": has_last_run_failed()}
    products, categories = running.run.products, running.run.categories
    if not products:
        text = _("The sales are being read.")
    elif running.percent is None:
        text = ""
    else:
        total = products + categories
        text = _("%(done)s of %(total)s products and categories") % {
            "done": format_count(total * running.percent // 100),
            "total": format_count(total),
        }
    return {
        "is_running": True,
        "is_awaited": True,
        "run": running.run.pk,
        "percent": running.percent if running.percent is not None else "",
        "text": text,
    }


def build_results(request: HttpRequest, run: DemandRun) -> dict[str, Any]:
    state = request.GET.get("state", "now")
    state = state if state in ("now", "soon", "all") else "now"
    sums, currency = summarize_restock(), get_amount_currency()
    items = query_restock_items("" if state == "all" else state)
    risk = COLUMNS[-1] if sums["costed"] else replace(COLUMNS[-1], label=REVENUE_AT_RISK)

    def format_item(item: RestockItem) -> dict[str, Any]:
        return {
            "product": Cell(item.product.title, reverse("demand:product", args=[item.product_id])),
            "stock": Cell(
                format_count(item.stock),
                title=_("Incoming: %(units)s") % {"units": format_count(item.incoming)} if item.incoming else "",
            ),
            "lead_demand": Cell(
                format_count(round(item.lead_demand)),
                title=ngettext("Lead time: %(days)s day", "Lead time: %(days)s days", item.lead_days)
                % {"days": format_count(item.lead_days)},
            ),
            "reorder_point": format_count(item.reorder_point),
            "when": describe_when(item),
            "quantity": format_count(item.order_quantity) if item.order_quantity else None,
            "value": format_whole_money(item.order_value, currency) if item.order_quantity else None,
            "risk": format_whole_money(item.money_at_risk, currency),
        }

    return {
        "sentence": describe_list(sums, currency),
        "state": state,
        "sums": {key: format_count(sums[key]) for key in ("items", "now", "soon")},
        "value": format_whole_money(sums["value"] or None, currency),
        "value_note": describe_unknown_costs(int(sums["unknown"])),
        "risk": format_whole_money(sums["risk"], currency),
        "risk_label": risk.label,
        "items": build_table(
            request,
            items,
            id="restock",
            label=_("Restock list"),
            columns=(*COLUMNS[:-1], risk),
            format_row=format_item,
            default_sort="-risk",
        ),
        "categories": build_categories(request),
        **describe_quality(run),
    }


def describe_list(sums: dict[str, int | float], currency: str) -> str:
    """Return how many products to order now and what waiting costs."""
    if not sums["items"]:
        return ""
    number = int(sums["now"])
    if not number:
        return _("Every product with tracked stock has enough stock until the next delivery.")
    values = {
        "count": format_count(number),
        "value": format_whole_money(sums["value"], currency),
        "risk": format_whole_money(sums["risk"], currency),
    }
    if not sums["costed"]:
        return (
            ngettext(
                "Order %(count)s product now: %(risk)s of revenue is expected to be lost before a delivery ordered today arrives.",
                "Order %(count)s products now: %(risk)s of revenue is expected to be lost before a delivery ordered today arrives.",
                number,
            )
            % values
        )
    if not sums["value"]:  # no purchase cost of these products is known
        return (
            ngettext(
                "Order %(count)s product now: %(risk)s of margin is expected to be lost before a delivery ordered today arrives.",
                "Order %(count)s products now: %(risk)s of margin is expected to be lost before a delivery ordered today arrives.",
                number,
            )
            % values
        )
    return (
        ngettext(
            "Order %(count)s product now, for %(value)s: %(risk)s of margin is expected to be lost before a delivery ordered today arrives.",
            "Order %(count)s products now, for %(value)s: %(risk)s of margin is expected to be lost before a delivery ordered today arrives.",
            number,
        )
        % values
    )


def describe_unknown_costs(number: int) -> str:
    if not number:
        return ""
    return ngettext(
        "excluding %(count)s product with unknown purchase cost",
        "excluding %(count)s products with unknown purchase cost",
        number,
    ) % {"count": format_count(number)}


def describe_when(item: RestockItem) -> str:
    if item.order_quantity:
        return _("now")
    if item.days_left is None:
        return _("in more than four weeks")
    return ngettext("in %(days)s day", "in %(days)s days", item.days_left) % {"days": format_count(item.days_left)}


def build_categories(request: HttpRequest) -> Any:
    """Return the table of categories."""
    forecasts = DemandForecast.objects.filter(product=None, category__isnull=False).select_related("category")

    def format_row(forecast: DemandForecast) -> dict[str, Any]:
        assert forecast.category is not None
        return {
            "name": Cell(format_path(forecast.category.path), reverse("demand:category", args=[forecast.category_id])),
            "before": format_count(round(sum(forecast.history[-28:]))),
            "expected": format_count(round(sum(forecast.mean))),
            "model": MODELS.get(forecast.model, forecast.model),
        }

    return build_table(
        request,
        forecasts,
        id="categories",
        label=_("Categories"),
        columns=CATEGORY_COLUMNS,
        format_row=format_row,
        default_sort="name",
        page_size=MAX_CATEGORIES,
    )


def describe_quality(run: DemandRun) -> dict[str, Any]:
    quality = run.quality
    mase, naive = quality.get("mase"), quality.get("naive_mase")
    coverages = [(label, quality.get(key)) for key, label in COVERAGES.items()]
    return {
        "accuracy": describe_accuracy(run),
        "coverages": [(label, format_percent(share)) for label, share in coverages if share is not None],
        "mase": None if mase is None else round_for_reading(mase),
        "naive_mase": None if naive is None else round_for_reading(naive),
        "products": format_count(run.products),
        "days": format_count(run.days),
    }
