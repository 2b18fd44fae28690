"""The home page: what happened, what needs attention, and what to do next."""

from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.placeholder_images.drawing import choose_image_url
from config.backoffice.home import attention, onboarding, sales
from config.foundation import number_formats
from config.foundation.backoffice.date_range import DateChoice, DayRange, parse_date_choice
from config.foundation.statistics import compute_change
from customers.lifecycle.backoffice.drilldowns.drilldown import make_drilldown_url
from customers.lifecycle.backoffice.drilldowns.stages import OTHER_STAGE, UNKNOWN_STAGE, get_stage_label
from customers.lifecycle.models import LifecycleRun, Stage
from customers.lifecycle.stages.counts import count_entries_and_exits
from customers.lifecycle.stages.flows import count_stage_flows
from customers.lifecycle.stages.freshness import find_missing_data_since
from customers.orders.models import Order
from recommendations.suggestions.backoffice.cards import DECIDE, build_cards

FLOW_DAYS = 28
FLOW_ROWS = 6
MAX_SUGGESTIONS = 3
Context = dict[str, Any]


def fill_home_page(request: HttpRequest, context: Context) -> Context:
    """Add the figures that the user may see to the context of the home page; the dashboard callback of django-unfold."""
    as_of = timezone.now()
    may = request.user.has_perm
    last_day = find_last_day_with_orders(as_of)
    choice = parse_date_choice(
        request.GET, today=last_day + timedelta(days=1) if last_day else timezone.localdate(as_of)
    )
    context |= {
        "title": _("Home"),
        "demo": settings.DEMO,
        "dates": choice,
        "last_day": number_formats.format_full_day(last_day) if last_day else "",
        "attention": attention.list_attention_items(user=request.user, as_of=as_of),
        "steps": onboarding.list_steps(request.user),
    }
    if steps := context["steps"]:
        context["steps_done"] = _("%(done)d of %(total)d done") % {
            "done": sum(status.is_done for status in steps),
            "total": len(steps),
        }
    sentences = []
    if may("orders.view_order") and Order.objects.exists():
        totals = sales.query_sales(choice)
        context["sales"] = format_sales(totals)
        context["best_sellers"] = [
            format_best_seller(product, totals.currency)
            for product in sales.query_best_sellers(choice, currency=totals.currency)
        ]
        sentences.append(describe_sales(totals, choice))
    if may("lifecycle.view_customerprofile"):
        context["flow"] = flow = build_flow(as_of)
        sentences.append(flow["sentence"])
    if may(DECIDE):
        context |= {"suggestions": build_cards(may=may, as_of=as_of, limit=MAX_SUGGESTIONS), "next": request.path}
    if context["steps"] and may("orders.view_order"):
        context["missing_data"] = onboarding.list_missing_data()
    context["verdict"] = number_formats.join_sentences(sentences)
    return context


def find_last_day_with_orders(as_of: datetime) -> date | None:
    """Return the day of the last order if orders have been missing since then, so that ranges do not end with days without data."""
    if not find_missing_data_since(as_of=as_of):
        return None
    last_order = sales.find_latest_order(before=as_of)
    return timezone.localdate(last_order) if last_order else None


def format_sales(totals: sales.SalesComparison) -> Context:
    """Return the four figures with their change."""
    now, before, currency = totals.now, totals.before, totals.currency

    def build_figure(label: str, name: str, show: Any) -> Context:
        value, previous = getattr(now, name), getattr(before, name) if before else None
        return {
            "label": label,
            "value": show(value),
            "before": show(previous) if before else "",
            "change": compute_change(value, previous) if before else None,
        }

    return {
        "figures": [
            build_figure(_("Revenue"), "revenue", lambda value: number_formats.format_whole_money(value, currency)),
            build_figure(_("Orders"), "orders", number_formats.format_count),
            build_figure(_("Customers with orders"), "customers", number_formats.format_count),
            build_figure(
                _("Average order value"), "order_value", lambda value: number_formats.format_money(value, currency)
            ),
        ],
        "other_orders": totals.other_orders,
        "currency": currency,
    }


def describe_sales(totals: sales.SalesComparison, choice: DateChoice) -> str:
    """Return one sentence on revenue; empty without orders."""
    if not totals.now.orders:
        return ""
    days = ngettext("%(count)d day", "%(count)d days", choice.range.days) % {"count": choice.range.days}
    values = {"revenue": number_formats.format_whole_money(totals.now.revenue, totals.currency), "days": days}
    change = compute_change(totals.now.revenue, totals.before.revenue) if totals.before else None
    if change is None:
        return _("Revenue was %(revenue)s in %(days)s.") % values
    values["change"] = number_formats.format_percent(abs(change))
    if round(abs(change), 3) == 0:
        return _("Revenue was %(revenue)s in %(days)s, the same as in the comparison period.") % values
    if change >= number_formats.MIN_FACTOR - 1:
        values["factor"] = number_formats.format_factor(change)
        return _("Revenue was %(revenue)s in %(days)s, %(factor)s times as much as in the comparison period.") % values
    if change > 0:
        return _("Revenue was %(revenue)s in %(days)s, %(change)s more than in the comparison period.") % values
    return _("Revenue was %(revenue)s in %(days)s, %(change)s less than in the comparison period.") % values


def format_best_seller(product: sales.BestSeller, currency: str) -> Context:
    return {
        "title": product.title,
        "image": choose_image_url(image_url=product.image_url, category=product.category, title=product.title),
        "category": product.category.rpartition(" > ")[2],
        "url": reverse("admin:catalog_product_change", args=[product.pk]),
        "orders": ngettext("%(number)s order", "%(number)s orders", product.orders)
        % {"number": number_formats.format_count(product.orders)},
        "revenue": number_formats.format_whole_money(product.revenue, currency),
        "change": compute_change(product.revenue, product.revenue_before)
        if product.revenue_before is not None
        else None,
    }


def build_flow(as_of: datetime) -> Context:
    """Return the customers per stage with entries and exits of four weeks, and the largest changes between the first and the last day.

    Entries and exits include those of customers who have moved on since, as in Ask.
    """
    today = timezone.localdate(as_of)
    days = DayRange(
        today - timedelta(days=FLOW_DAYS - 1), today
    )  # today included, as in the lists of people that the figures open
    period = {"since": days.first.isoformat(), "until": days.last.isoformat()}
    flows = count_stage_flows(since=days.start, until=days.end)
    changes = count_entries_and_exits(since=days.start, until=days.end)
    total = sum(flow["customers"] for flow in flows)
    stages = []
    for stage in Stage.values:
        customers = sum(flow["customers"] for flow in flows if flow["to_stage"] == stage)
        stages.append(
            {
                "name": capfirst(str(Stage(stage).label)),
                "url": make_drilldown_url("stage", stage=stage),
                "count": customers,
                "customers": number_formats.format_count(customers),
                "share": number_formats.format_percent(customers / total if total else None),
                "entered": number_formats.format_count(changes[stage][0]),
                "entered_url": make_drilldown_url("stage-flow", **{"from": OTHER_STAGE, "to": stage, **period}),
                "left": number_formats.format_count(changes[stage][1]),
                "left_url": make_drilldown_url("stage-flow", **{"from": stage, "to": OTHER_STAGE, **period}),
            }
        )
    moves = sorted(
        (flow for flow in flows if flow["from_stage"] != flow["to_stage"]), key=lambda flow: -flow["customers"]
    )
    n_at_risk = changes[Stage.AT_RISK][0]
    return {
        "as_of": LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE)
        .order_by("-id")
        .values_list("as_of", flat=True)
        .first(),
        "total": total,
        "stages": stages,
        "moves": [
            {
                "from": capfirst(get_stage_label(move["from_stage"])),
                "to": get_stage_label(move["to_stage"]),
                "customers": number_formats.format_count(move["customers"]),
                "url": make_drilldown_url(
                    "stage-flow", **{"from": move["from_stage"] or UNKNOWN_STAGE, "to": move["to_stage"], **period}
                ),
            }
            for move in moves[:FLOW_ROWS]
        ],
        "sentence": ngettext(
            "%(number)s customer became at risk at some point in the last four weeks.",
            "%(number)s customers became at risk at some point in the last four weeks.",
            n_at_risk,
        )
        % {"number": number_formats.format_count(n_at_risk)}
        if n_at_risk
        else "",
    }
