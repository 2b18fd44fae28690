"""The home page: formats the figures that the user may see as charts, tables and tiles."""

from collections import Counter
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from config.backoffice import home_queries
from config.foundation import number_formats
from config.foundation.charts import (
    ChartSpec,
    build_bar_chart,
    build_heatmap,
    build_interval_chart,
    build_period_chart,
)
from config.foundation.charts.bars import Series
from customers.lifecycle.backoffice.chart_colors import STAGE_COLORS
from customers.lifecycle.backoffice.labels.alert_messages import format_alert, format_missing_orders
from customers.lifecycle.models import RfmGroup, Stage
from customers.lifecycle.scoring.rfm.rfm_scores import RFM_CELLS
from customers.processing.lag import ProcessingLag
from recommendations.training.backoffice.labels.algorithm_labels import get_algorithm_label, get_metric_label

TOTAL_LABELS = {
    "revenue": gettext_lazy("Revenue"),
    "orders": gettext_lazy("Orders"),
    "customers": gettext_lazy("Customers with orders"),
    "order_value": gettext_lazy("Average order value"),
}
RUN_LABELS: dict[str, str | Promise] = {
    "lifecycle.lifecyclerun": gettext_lazy("profile refresh"),
    "training.evaluationrun": gettext_lazy("training"),
    "orders.orderimport": gettext_lazy("order import"),
    "catalog.feedimport": gettext_lazy("product feed"),
    "warehouse.exportrun": gettext_lazy("warehouse export"),
    "processing.processingrun": gettext_lazy("event processing"),
    "serving.performancerun": gettext_lazy("recommendation performance"),
    "serving.positionbiasrun": gettext_lazy("position bias estimate"),
}
LATE_SECONDS = 60
Context = dict[str, Any]


def fill_home_page(request: HttpRequest, context: Context) -> Context:
    """Add the figures to the context of the home page; the dashboard callback of django-unfold."""
    as_of = timezone.now()
    may = request.user.has_perm
    context |= {"title": _("Home"), "as_of": number_formats.format_moment(as_of), "demo": settings.DEMO}
    if may("orders.view_order"):
        context["sales"] = format_sales(home_queries.query_sales(as_of=as_of))
    if may("lifecycle.view_customerprofile"):
        context["stages"] = format_stages(home_queries.query_stages(as_of=as_of))
        context["rfm"] = format_rfm(home_queries.query_rfm())
    if may("training.view_modelversion"):
        context["quality"] = format_accuracy(home_queries.query_model_accuracy())
    context["health"] = format_health(home_queries.query_health(as_of=as_of), as_of=as_of)
    return context


def format_sales(figures: dict[str, Any]) -> Context:
    weeks, currency = figures["weeks"], figures["currency"]
    links = [
        build_list_url("orders.order", placed_at__gte=week["from"].isoformat(), placed_at__lt=week["to"].isoformat())
        for week in weeks
    ]
    labels = [number_formats.format_day(week["from"]) for week in weeks]
    return {
        "as_of": number_formats.format_moment(figures["as_of"]),
        "empty": not any(total["now"] or total["before"] for total in figures["totals"]),
        "weeks": len(weeks),
        "other_orders": figures["other_orders"],
        "currency": currency,
        "tiles": [format_total(total, currency) for total in figures["totals"]],
        "charts": [
            {
                "id": "sales-revenue",
                "title": _("Revenue by week"),
                "spec": build_weekly_chart(
                    weeks, "revenue", labels, links, lambda value: number_formats.format_whole_money(value, currency)
                ),
            },
            {
                "id": "sales-orders",
                "title": _("Orders by week"),
                "spec": build_weekly_chart(weeks, "orders", labels, links, number_formats.format_count),
            },
        ],
        "rows": [
            {
                "week": label,
                "url": url,
                "revenue": number_formats.format_whole_money(week["revenue"], currency),
                "revenue_before": number_formats.format_whole_money(week["revenue_before"], currency),
                "orders": number_formats.format_count(week["orders"]),
                "orders_before": number_formats.format_count(week["orders_before"]),
            }
            for week, label, url in zip(weeks, labels, links, strict=True)
        ],
    }


def build_weekly_chart(
    weeks: list[dict[str, Any]], name: str, labels: list[str], links: list[str], show: Any
) -> ChartSpec:
    """Return the chart of this period as bars and of the previous period as a line."""
    return build_period_chart(
        labels=labels,
        links=links,
        now=Series(_("Current period"), [float(week[name]) for week in weeks], [show(week[name]) for week in weeks]),
        before=Series(
            _("Previous period"),
            [float(week[f"{name}_before"]) for week in weeks],
            [show(week[f"{name}_before"]) for week in weeks],
        ),
    )


def format_total(total: dict[str, Any], currency: str) -> Context:
    show = {
        "revenue": lambda value: number_formats.format_whole_money(value, currency),
        "order_value": lambda value: number_formats.format_money(value, currency),
    }.get(total["name"], number_formats.format_count)
    change = total["change"]
    return {
        "name": TOTAL_LABELS[total["name"]],
        "now": show(total["now"]),
        "before": show(total["before"]),
        "change": number_formats.format_change(change),
        "direction": "none" if change is None else "up" if change > 0 else "down" if change < 0 else "same",
    }


def format_stages(figures: dict[str, Any]) -> Context:
    total = figures["total"]
    rows = [
        {
            "stage": row["stage"],
            "name": capfirst(str(Stage(row["stage"]).label)),
            "url": build_list_url("lifecycle.customerprofile", stage__exact=row["stage"]),
            "customers": number_formats.format_count(row["customers"]),
            "share": number_formats.format_percent(row["customers"] / total if total else None),
            "entered": number_formats.format_count(row["entered"]),
            "left": number_formats.format_count(row["left"]),
        }
        for row in figures["stages"]
    ]
    return {
        "as_of": number_formats.format_moment(figures["as_of"]),
        "empty": not total,
        "rows": rows,
        "chart": {
            "id": "stages",
            "spec": build_bar_chart(
                labels=[row["name"] for row in rows],
                colors=[STAGE_COLORS[row["stage"]] for row in rows],
                links=[row["url"] for row in rows],
                values=[row["customers"] for row in figures["stages"]],
                texts=[f"{row['customers']} · {row['share']}" for row in rows],
                horizontal=True,
            ),
        },
    }


def format_rfm(figures: dict[str, Any]) -> Context:
    customers: Counter[tuple[int, int]] = Counter()
    for cell in figures["cells"]:
        customers[cell["r"], cell["f"]] += cell["customers"]
    total = customers.total()
    return {
        "as_of": number_formats.format_moment(figures["as_of"]),
        "empty": not total,
        "rows": [
            {
                "name": get_group_name(group["group"]),
                "url": build_list_url("lifecycle.customerprofile", rfm_group__exact=group["group"]),
                "customers": number_formats.format_count(group["customers"]),
                "share": number_formats.format_percent(group["customers"] / total),
                "revenue": number_formats.format_count(round(group["revenue"])),
            }
            for group in figures["groups"]
        ],
        "chart": {"id": "rfm", "spec": build_rfm_chart(customers)},
    }


def build_rfm_chart(customers: Counter[tuple[int, int]]) -> ChartSpec:
    """Build the chart of all 25 RFM cells, including empty ones."""
    scores = range(1, 6)
    return build_heatmap(
        columns=[str(r) for r in scores],
        rows=[str(f) for f in scores],
        x_title=_("Recency (5 = most recent)"),
        y_title=_("Frequency (5 = most frequent)"),
        hover_prefix="R %{x} · F %{y}",
        values=[[customers[r, f] for r in scores] for f in scores],
        names=[[get_group_name(RFM_CELLS[r - 1][f - 1]) for r in scores] for f in scores],
        texts=[[number_formats.format_count(customers[r, f]) for r in scores] for f in scores],
        links=[[build_list_url("lifecycle.customerprofile", r__exact=r, f__exact=f) for r in scores] for f in scores],
    )


def get_group_name(group: str) -> str:
    return capfirst(str(RfmGroup(group).label)) if group in RfmGroup.values else _("No group")


def format_accuracy(figures: dict[str, Any]) -> Context:
    version = figures["version"]
    if version is None:
        return {"empty": True}
    rows = [
        {
            "name": get_algorithm_label(row["algorithm"]),
            "value": number_formats.format_score(row["value"]),
            "low": number_formats.format_score(row["low"]),
            "high": number_formats.format_score(row["high"]),
            "serves": row["serves"],
        }
        for row in figures["algorithms"]
    ]
    return {
        "empty": False,
        "as_of": number_formats.format_moment(figures["as_of"]),
        "version": version["name"],
        "algorithm": get_algorithm_label(version["algorithm"]),
        "url": reverse("admin:training_modelversion_change", args=[version["id"]]),
        "metric": get_metric_label(figures["metric"]),
        "test_users": number_formats.format_count(figures["test_users"]),
        "cut_at": number_formats.format_moment(figures["cut_at"]),
        "rows": rows,
        "chart": {
            "id": "quality",
            "spec": build_interval_chart(
                labels=[row["name"] for row in rows],
                values=[row["value"] for row in figures["algorithms"]],
                low=[row["low"] for row in figures["algorithms"]],
                high=[row["high"] for row in figures["algorithms"]],
                highlighted=[row["serves"] for row in rows],
                texts=[f"{row['value']} ({row['low']} – {row['high']})" for row in rows],
                x_title=get_metric_label(figures["metric"]),
            ),
        },
    }


def format_health(figures: dict[str, Any], *, as_of: datetime) -> Context:
    """Format the health indicators; an indicator warns when it needs attention."""
    failed = figures["failed"]
    return {
        "signs": [
            format_age_indicator(pgettext_lazy("home", "Last event"), figures["last_event"], as_of=as_of),
            format_age_indicator(pgettext_lazy("home", "Last order"), figures["last_order"], as_of=as_of)
            | ({"warns": True} if figures["orders_missing_since"] else {}),
            format_age_indicator(
                pgettext_lazy("home", "Profiles refreshed"), figures["last_refresh"], as_of=as_of, warn_after_days=2
            ),
            format_age_indicator(
                pgettext_lazy("home", "Model data up to"), figures["model_as_of"], as_of=as_of, warn_after_days=7
            ),
            format_lag_indicator(figures["lag"]),
            {
                "name": _("Failed runs in 7 days"),
                "text": number_formats.format_count(sum(run["runs"] for run in failed)),
                "title": "",
                "warns": bool(failed),
            },
        ],
        "alarms": [
            *([format_missing_orders(figures["last_order"])] if figures["orders_missing_since"] else []),
            *(format_alert(alarm) for alarm in figures["alarms"]),
        ],
        "failed": [
            {
                "name": RUN_LABELS[run["model"]],
                "runs": number_formats.format_count(run["runs"]),
                "url": build_list_url(run["model"]),
            }
            for run in failed
        ],
    }


def format_age_indicator(
    name: str | Promise, at: datetime | None, *, as_of: datetime, warn_after_days: int | None = None
) -> Context:
    old = at is not None and warn_after_days is not None and (as_of - at).days >= warn_after_days
    return {
        "name": name,
        "text": number_formats.format_age(at, as_of=as_of) if at else _("never"),
        "title": number_formats.format_moment(at),
        "warns": old or (at is None and warn_after_days is not None),
    }


def format_lag_indicator(lag: ProcessingLag) -> Context:
    """Format the processing lag; warn if the oldest waiting event is older than processing should take."""
    text = number_formats.format_count(lag.waiting)
    if lag.waiting:
        text = _("%(waiting)s, oldest waiting for %(time)s") % {
            "waiting": text,
            "time": number_formats.format_duration(lag.oldest_seconds),
        }
    return {
        "name": _("Events waiting"),
        "text": text,
        "title": "",
        "warns": lag.oldest_seconds > LATE_SECONDS,
    }


def build_list_url(model: str, **conditions: object) -> str:
    """Return the URL of a list filtered by conditions; empty if there is no such list."""
    try:
        url = reverse(f"admin:{model.replace('.', '_')}_changelist")
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode(conditions)}" if conditions else url
