"""The overview of Analytics: ready-made reports, saved reports and dashboards; and the page of one dashboard."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from config.foundation.backoffice.date_range import PRESETS as RANGES
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_day
from customers.analytics.backoffice.access import (
    ADD_DASHBOARD,
    CHANGE_DASHBOARD,
    DELETE_DASHBOARD,
    check_analytics_permissions,
    check_report,
)
from customers.analytics.backoffice.addresses import make_question_url
from customers.analytics.backoffice.question_pages import QUESTION_PAGES
from customers.analytics.backoffice.reports.presets import PRESETS
from customers.analytics.backoffice.shown_results import show_result
from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.models import Dashboard, SavedReport
from customers.analytics.report_segments import MissingSegmentError

COLUMNS = (
    Column(key="name", label=gettext_lazy("name"), sort="name", align="text"),
    Column(key="question", label=gettext_lazy("type"), sort="question", align="text"),
    Column(key="author", label=gettext_lazy("created by"), align="text"),
    Column(key="created", label=gettext_lazy("created at"), sort="created_at"),
)


def make_report_url(report: SavedReport) -> str:
    return f"{reverse(f'analytics:{report.question}')}?report={report.pk}"


@require_GET
def show_overview(request: HttpRequest) -> HttpResponse:
    """Show what can be opened: dashboards, saved reports and ready-made ones."""
    check_analytics_permissions(request)
    reports = SavedReport.objects.filter(question__in=QUESTION_PAGES).select_related("created_by")
    return render_page(
        request,
        "admin/analytics/overview.html",
        title=_("Analytics"),
        questions=list(QUESTION_PAGES.values()),
        presets=[(preset, make_question_url(preset.question, preset.parameters)) for preset in PRESETS],
        reports=build_table(
            request,
            reports,
            id="reports",
            label=_("Saved reports"),
            columns=COLUMNS,
            format_row=format_report,
            default_sort="name",
        ),
        dashboards=Dashboard.objects.all()[:100],
        may_add_dashboard=request.user.has_perm(ADD_DASHBOARD),
    )


def format_report(report: Any) -> Mapping[str, Any]:
    return {
        "name": Cell(report.name, url=make_report_url(report)),
        "question": QUESTION_PAGES[report.question].label,
        "author": report.created_by.get_username() if report.created_by else None,
        "created": format_day(report.created_at),
    }


@require_GET
def show_dashboard(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the reports of a dashboard; each is loaded on its own."""
    check_analytics_permissions(request)
    dashboard = get_object_or_404(Dashboard, pk=pk)
    chosen = read_range(request)
    reports = list(dashboard.reports.filter(question__in=QUESTION_PAGES))
    return render_page(
        request,
        "admin/analytics/dashboard.html",
        title=dashboard.name,
        dashboard=dashboard,
        reports=[(report, make_report_url(report)) for report in reports],
        others=SavedReport.objects.exclude(pk__in=[report.pk for report in reports])[:200],
        range=chosen,
        ranges=[(key, label) for key, (label, _make) in RANGES.items()],
        may_change=request.user.has_perm(CHANGE_DASHBOARD),
        may_delete=request.user.has_perm(DELETE_DASHBOARD),
    )


def read_range(request: HttpRequest) -> str:
    """Return the period of the URL that replaces that of each report; empty: each report has its own."""
    chosen = request.GET.get("range", "")
    return chosen if chosen in RANGES else ""


@require_GET
def show_report_card(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the result of a saved report for a dashboard."""
    check_analytics_permissions(request)
    report = get_object_or_404(SavedReport, pk=pk, question__in=QUESTION_PAGES)
    content, chosen = dict(report.parameters), read_range(request)
    if chosen:
        content = {name: value for name, value in content.items() if name not in ("since", "until")} | {"range": chosen}
    shown, problem = None, ""
    try:
        check_report(request, report)
        shown = show_result(request, report.question, content, now=timezone.now())
    except MissingSegmentError as error:
        problem = error.problem
    except ParameterError as error:
        problem = str(error)
    return render_page(
        request,
        "admin/analytics/report_card.html",
        title=report.name,
        report=report,
        shown=shown,
        suffix=str(report.pk),
        problem=problem,
        range=chosen,
        url=make_report_url(report),
    )
