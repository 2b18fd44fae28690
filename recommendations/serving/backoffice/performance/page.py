"""What recommendations earned: all placements side by side, or one placement by day, product, position and model version."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.backoffice.date_range import DateChoice, parse_date_choice
from config.foundation.backoffice.pages import render_page
from config.foundation.charts.light import ColumnChart, build_columns
from config.foundation.number_formats import (
    MIN_FACTOR,
    format_count,
    format_factor,
    format_full_day,
    format_percent,
    format_whole_money,
)
from config.foundation.statistics import compute_change
from recommendations.placement_labels import PLACEMENT_LABELS, get_placement_label
from recommendations.serving.backoffice.performance.details import format_placement, format_version
from recommendations.serving.backoffice.performance.gaps import find_data_gaps
from recommendations.serving.backoffice.performance.tables import build_placements_table, build_products_table
from recommendations.serving.backoffice.placements.cards import describe_window, format_figures
from recommendations.serving.impressions.comparison import (
    DailyFigures,
    FiguresComparison,
    compare_placements,
    list_daily_figures,
    list_products,
    sum_comparisons,
)
from recommendations.serving.impressions.performance import PerformanceFigures, PerformanceReport, get_performance


def show_performance_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Show all placements, or with ``?scenario=`` one of them."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    choice = parse_date_choice(request.GET, today=timezone.localdate())
    scenario = request.GET.get("scenario", "")
    comparisons = compare_placements(choice)
    if scenario in PLACEMENT_LABELS:
        return show_placement(request, scenario, choice, comparisons)
    total = sum_comparisons(comparisons, is_compared=choice.compared is not None)
    daily = list_daily_figures(choice)
    return render_page(
        request,
        "admin/serving/performance.html",
        title=_("Performance"),
        verdict=write_verdict(total, choice),
        figures=format_figures(total, is_total=True),
        table=build_placements_table(request, comparisons, choice=choice, currency=total.currency),
        **build_shared_context(choice, daily, total, report=get_report(choice), scenario=""),
    )


def show_placement(
    request: HttpRequest, scenario: str, choice: DateChoice, comparisons: dict[str, FiguresComparison]
) -> HttpResponse:
    comparison = comparisons.get(scenario) or sum_comparisons({}, is_compared=choice.compared is not None)
    report = get_report(choice, scenario)
    products = list_products(choice.range, scenario, currency=comparison.currency)
    label = get_placement_label(scenario)
    return render_page(
        request,
        "admin/serving/placement_performance.html",
        title=_("Performance of “%(placement)s”") % {"placement": label},
        verdict=write_verdict(comparison, choice, label),
        placement=format_placement(report.scenarios[0]) if report.scenarios else None,
        figures=format_figures(comparison),
        products=build_products_table(request, products, currency=comparison.currency),
        **build_shared_context(
            choice, list_daily_figures(choice, scenario), comparison, report=report, scenario=scenario
        ),
    )


def get_report(choice: DateChoice, scenario: str = "") -> PerformanceReport:
    return get_performance(as_of=timezone.now(), since=choice.range.first, until=choice.range.last, scenario=scenario)


def build_shared_context(
    choice: DateChoice, daily: DailyFigures, comparison: FiguresComparison, *, report: PerformanceReport, scenario: str
) -> dict[str, Any]:
    """Return what both pages show: the picker of dates, the chart, gaps in the data, model versions and how it is measured."""
    return {
        "dates": choice,
        "hidden": [("scenario", scenario)] if scenario else [],
        "scenario": scenario,
        "as_of": report.as_of,
        "report": report,
        "has_impressions": comparison.now.shown > 0,
        "charts": build_daily_charts(daily, comparison.currency) if comparison.now.shown else [],
        "gaps": find_data_gaps(comparison, choice.range, scenario),
        "attribution": describe_attribution(),
        "open_since": report.open_since if report.open_since <= choice.range.last else None,
        "versions": [format_version(version) for version in report.versions],
    }


def build_daily_charts(daily: DailyFigures, currency: str) -> list[tuple[str, ColumnChart]]:
    """Return the columns of revenue and click-through rate by day, with the compared days as a line."""
    labels = [format_full_day(day) for day in daily.days]
    # a longer comparison range is cut, so that both lines have the same length
    before = daily.before[: len(daily.days)] if any(figures.shown for figures in daily.before) else []
    revenue = [float(figures.revenue.get(currency, 0)) for figures in daily.now]
    rates = [get_click_share(figures) for figures in daily.now]
    charts = [
        (
            _("Click-through rate by day"),
            build_columns(
                label=_("Click-through rate by day"),
                labels=labels,
                values=rates,
                texts=[format_percent(rate, 2) for rate in rates],
                compared=[get_click_share(figures) for figures in before],
                top=format_percent(max((rate for rate in rates if rate is not None), default=None), 2),
            ),
        )
    ]
    if currency:
        charts.insert(
            0,
            (
                _("Revenue by day of the impression"),
                build_columns(
                    label=_("Revenue by day of the impression"),
                    labels=labels,
                    values=revenue,
                    texts=[format_whole_money(amount, currency) for amount in revenue],
                    compared=[float(figures.revenue.get(currency, 0)) for figures in before],
                    top=format_whole_money(max(revenue, default=0.0), currency),
                ),
            ),
        )
    return charts


def get_click_share(figures: PerformanceFigures) -> float | None:
    """Return the click-through rate; None without impressions."""
    return figures.clicked / figures.shown if figures.shown else None


def write_verdict(comparison: FiguresComparison, choice: DateChoice, label: str = "") -> str:
    """Return a sentence on what was earned, with the change, or on nothing shown or ordered. label: of the placement, "" for all."""
    now, currency = comparison.now, comparison.currency
    days = ngettext("%(count)d day", "%(count)d days", choice.range.days) % {"count": choice.range.days}
    if not now.shown:
        return _("Nothing was shown in these %(days)s.") % {"days": days}
    values = {
        "placement": label,
        "revenue": format_whole_money(comparison.revenue, currency) if currency else "",
        "orders": ngettext("%(number)s order", "%(number)s orders", now.orders) % {"number": format_count(now.orders)},
        "days": days,
        "window": describe_window(),
    }
    if not now.orders:
        return _("No order is attributed in these %(days)s.") % values
    text = (
        _("“%(placement)s” earned %(revenue)s in %(days)s: %(orders)s %(window)s") % values
        if label
        # without a number of orders: the sum over the placements counts an order once in each placement
        else _("Recommendations earned %(revenue)s in %(days)s from orders %(window)s") % values
    )
    change = compute_change(comparison.revenue, comparison.revenue_before)
    if change is None or round(abs(change), 3) == 0:
        return _("%(sentence)s.") % {"sentence": text}
    if change >= MIN_FACTOR - 1:
        return _("%(sentence)s, %(factor)s times as much as in the comparison period.") % {
            "sentence": text,
            "factor": format_factor(change),
        }
    share = format_percent(abs(change))
    if change > 0:
        return _("%(sentence)s, %(share)s more than in the comparison period.") % {"sentence": text, "share": share}
    return _("%(sentence)s, %(share)s less than in the comparison period.") % {"sentence": text, "share": share}


def describe_attribution() -> str:
    """Return in one sentence how orders are attributed."""
    days = settings.RECOMMEND_ATTRIBUTION_DAYS
    window = ngettext("%(count)d day", "%(count)d days", days) % {"count": timedelta(days=days).days}
    return _(
        "Revenue counts the products of an order that were shown to the same customer in the %(window)s before the "
        "order, each credited to the placement that showed it last. Refunds are not deducted."
    ) % {"window": window}
