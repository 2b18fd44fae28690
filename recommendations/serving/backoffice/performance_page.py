"""The recommendation performance page of the back office: formats the performance report."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config.foundation.charts import build_interval_chart, build_point_chart
from config.foundation.number_formats import format_percent
from recommendations.engine.evaluation import ConfidenceInterval
from recommendations.placement_labels import PLACEMENT_LABELS, get_placement_label
from recommendations.serving.impressions.models import PositionBias
from recommendations.serving.impressions.performance import (
    InvalidPeriodError,
    PerformanceFigures,
    PerformanceReport,
    PlacementPerformance,
    PositionPerformance,
    VersionPerformance,
    get_performance,
    sum_figures,
)

NO_VALUE = "–"
MAX_SHOWN_POSITIONS = 20  # lower positions are combined into one row


class PerformancePeriodForm(forms.Form):
    since = forms.DateField(
        label=gettext_lazy("from"), required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=gettext_lazy("until"), required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"})
    )
    scenario = forms.ChoiceField(
        label=gettext_lazy("placement"),
        required=False,
        choices=[("", gettext_lazy("all")), *PLACEMENT_LABELS.items()],
        widget=UnfoldAdminSelectWidget,
    )


def show_performance_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = PerformancePeriodForm(request.GET)
    period = form.cleaned_data if form.is_valid() else {}
    context: dict[str, Any] = {}
    try:
        context = format_report(get_performance(as_of=timezone.now(), **period))
    except InvalidPeriodError as error:
        form.add_error("since", str(error))
    return TemplateResponse(
        request,
        "admin/serving/performance.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Recommendation performance"),
            "opts": model_admin.opts,
            "form": form,
            **context,
        },
    )


def format_report(report: PerformanceReport) -> dict[str, Any]:
    return {
        "report": report,
        "scenarios": [format_placement(scenario, number) for number, scenario in enumerate(report.scenarios)],
        "versions": [format_version(version) for version in report.versions],
    }


def format_placement(scenario: PlacementPerformance, number: int) -> dict[str, Any]:
    first = [row for row in scenario.positions if row.position <= MAX_SHOWN_POSITIONS]
    others = [row.figures for row in scenario.positions if row.position > MAX_SHOWN_POSITIONS]
    rows = [format_position(row) for row in first]
    if others:
        rows.append(
            {"name": _("after %(position)d") % {"position": MAX_SHOWN_POSITIONS}, **format_figures(sum_figures(others))}
        )
    return {
        "name": get_placement_label(scenario.scenario),
        "method": str(PositionBias.Method(scenario.method).label) if scenario.method else "",
        "rows": rows,
        "charts": build_charts(first, number),
        **format_figures(scenario.figures),
    }


def format_position(position: PositionPerformance) -> dict[str, Any]:
    return {
        "name": number_format(position.position),
        "examination": NO_VALUE if position.examination is None else format_percent(position.examination, 0),
        **format_figures(position.figures),
    }


def format_version(version: VersionPerformance) -> dict[str, Any]:
    return {
        "placement": get_placement_label(version.scenario),
        "version": version.model_version,
        "strategy": version.strategy,
        "estimate": format_rate(version.estimate),
        "estimate_interval": format_interval(version.estimate),
        **format_figures(version.figures),
    }


def format_figures(figures: PerformanceFigures) -> dict[str, Any]:
    return {
        "shown": number_format(figures.shown, force_grouping=True),
        "clicked": number_format(figures.clicked, force_grouping=True),
        "carted": number_format(figures.carted, force_grouping=True),
        "bought": number_format(figures.bought, force_grouping=True),
        "revenue": format_revenue(figures.revenue),
        "rate": format_rate(figures.click_rate),
        "interval": format_interval(figures.click_rate),
    }


def build_charts(positions: list[PositionPerformance], number: int) -> list[dict[str, Any]]:
    """Return the charts of click-through rate and examination probability by position."""
    rates = [(row.position, row.figures.click_rate) for row in positions]
    clicked = [(position, rate) for position, rate in rates if rate is not None]
    charts = [
        {
            "id": f"clicks-{number}",
            "title": _("Click-through rate by position"),
            "spec": build_interval_chart(
                labels=[str(position) for position, _rate in clicked],
                values=[rate.value for _position, rate in clicked],
                low=[rate.low for _position, rate in clicked],
                high=[rate.high for _position, rate in clicked],
                highlighted=[True] * len(clicked),
                texts=[f"{format_rate(rate)} ({format_interval(rate)})" for _position, rate in clicked],
                x_title=_("Click-through rate"),
            ),
        }
    ]
    examined = [(row.position, row.examination) for row in positions if row.examination is not None]
    if examined:
        charts.append(
            {
                "id": f"looked-{number}",
                "title": _("Examination probability relative to the first position"),
                "spec": build_point_chart(
                    labels=[f"{position}: {format_percent(value, 0)}" for position, value in examined],
                    x=[position for position, _value in examined],
                    y=[value for _position, value in examined],
                    highlighted=[True] * len(examined),
                    x_title=_("Position"),
                    y_title=_("Examination probability"),
                    show_names=False,
                ),
            }
        )
    return charts


def format_rate(rate: ConfidenceInterval | None) -> str:
    return NO_VALUE if rate is None else format_percent(rate.value, 2)


def format_interval(rate: ConfidenceInterval | None) -> str:
    return NO_VALUE if rate is None else f"{format_percent(rate.low, 2)} – {format_percent(rate.high, 2)}"


def format_revenue(revenue: Mapping[str, Decimal]) -> str:
    """Return the amounts of all currencies, such as 30.00 EUR + 5.00 USD."""
    amounts = [
        f"{number_format(amount, 2, force_grouping=True)} {currency}" for currency, amount in sorted(revenue.items())
    ]
    return " + ".join(amounts) or NO_VALUE
