"""The page about the incremental lift, by month: of marketing, compared with the global holdout group, and of recommendations."""

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Column, Table, build_table
from config.foundation.charts.intervals import build_effect_history
from config.foundation.charts.spec import ChartSpec
from config.foundation.number_formats import format_exact_percent, format_full_day
from config.foundation.shop.profile import get_time_zone
from recommendations.experiments.models import Experiment
from recommendations.measurement.comparison import ComparisonVerdict
from recommendations.measurement.presentation.formats import format_interval
from recommendations.measurement.presentation.sentences import describe_margin_basis, describe_removed
from recommendations.measurement.presentation.tables import build_guard, build_measures
from recommendations.sending.backoffice.holdout import texts
from recommendations.sending.backoffice.settings_pages import PERMISSION as CHANGE_SETTINGS
from recommendations.sending.global_holdout.months import find_next_month
from recommendations.sending.global_holdout.report import (
    HoldoutEffect,
    HoldoutReport,
    load_recommendation_report,
    load_report,
)
from recommendations.sending.models import GlobalHoldoutChange, GlobalHoldoutResult
from recommendations.serving.experiments.names import HOLDOUT as RECOMMENDATION_HOLDOUT

VIEW = "campaigns.view_campaign"
VIEW_EXPERIMENTS, ADD_EXPERIMENTS = "experiments.view_experiment", "experiments.add_experiment"
CHART_MONTHS = 24
KINDS = {
    ComparisonVerdict.INCREASE: "good",
    ComparisonVerdict.DECREASE: "warns",
    ComparisonVerdict.UNEVEN_GROUPS: "warns",
}
Subject = GlobalHoldoutResult.Subject
RATE_LABELS: dict[str, Any] = {
    Subject.MARKETING: gettext_lazy("Ordered, with marketing"),
    Subject.RECOMMENDATIONS: gettext_lazy("Ordered, with recommendations"),
}
TREATED_LABELS: dict[str, Any] = {
    Subject.MARKETING: gettext_lazy("With marketing"),
    Subject.RECOMMENDATIONS: gettext_lazy("With recommendations"),
}
CHANGE_COLUMNS = (
    Column(key="since", label=gettext_lazy("Since"), align="text"),
    Column(key="share", label=gettext_lazy("Share held out")),
)


@require_safe
@permission_required(VIEW, raise_exception=True)
def show_holdout_report(request: HttpRequest) -> HttpResponse:
    """Show the effect of all marketing, and that of recommendations, by month and in total."""
    report = load_report()
    total = report.total
    context: dict[str, Any] = {
        "can_change": request.user.has_perm(CHANGE_SETTINGS),
        "settings_url": reverse("sending_settings:show") + "#id_global_holdout_share",
    }
    if total is not None:
        context["marketing"] = build_section(request, total, report.months)
    elif report.began_at is not None:
        context["first_month"] = describe_first_month(report)
    if request.user.has_perm(VIEW_EXPERIMENTS):
        context |= build_recommendation_context(request)
    return render_page(
        request,
        "admin/sending/holdout_report.html",
        title=_("Incremental lift of marketing"),
        as_of=total.measured_at if total else None,
        changes=build_change_table(request, report.changes) if report.changes else None,
        **context,
    )


def build_recommendation_context(request: HttpRequest) -> dict[str, Any]:
    """Return the effect of recommendations and the experiment that it comes from, or how to start such an experiment."""
    report = load_recommendation_report()
    context: dict[str, Any] = {"can_see_experiments": True, "holdout_experiment": report.experiment}
    if report.total is not None:
        context["recommendations"] = build_section(request, report.total, report.months)
    if report.experiment is None or report.experiment.status != Experiment.Status.RUNNING:
        context["draft"] = Experiment.objects.filter(
            kind=RECOMMENDATION_HOLDOUT, status=Experiment.Status.DRAFT
        ).first()
        if request.user.has_perm(ADD_EXPERIMENTS):
            context["start_url"] = f"{reverse('experiments:new')}?varied={RECOMMENDATION_HOLDOUT}:"
    return context


def build_section(request: HttpRequest, total: HoldoutEffect, months: list[HoldoutEffect]) -> dict[str, Any]:
    """Return what is shown of one effect: the whole time and its months; without enough orders, no differences."""
    comparison = total.comparison
    return {
        "subject": total.subject,
        "treated_label": TREATED_LABELS[total.subject],
        "headline": texts.describe_effect(total),
        "kind": KINDS.get(total.verdict, "neutral"),
        "figures": texts.build_figures(total),
        "notes": [texts.describe_cost(total), texts.describe_contact(total)],
        "measures": build_measures(comparison, total.currency) if total.is_readable else [],
        "guards": [build_guard(guard) for guard in comparison.guards if guard.treated or guard.control]
        if total.is_readable
        else [],
        "basis": [describe_margin_basis(comparison), describe_removed(comparison)] if total.is_readable else [],
        "chart": build_chart(months),
        "table": build_month_table(request, months, total.subject),
    }


def describe_first_month(report: HoldoutReport) -> str:
    """Return the first whole month of the holdout group."""
    assert report.began_at is not None
    began = localtime(report.began_at, get_time_zone()).date()
    return texts.format_month(find_next_month(began.replace(day=1)))


def build_chart(months: list[HoldoutEffect]) -> ChartSpec | None:
    """Return the additional revenue of the latest months that can be read, oldest first; None without any."""
    readable = [effect for effect in months[:CHART_MONTHS] if effect.is_readable][::-1]
    totals = [effect.comparison.revenue.total for effect in readable if effect.comparison.revenue]
    if not totals:
        return None
    formats = [texts.format_revenue(effect) for effect in readable]
    return build_effect_history(
        periods=[texts.label_month(effect) for effect in readable],
        values=[interval.value for interval in totals],
        low=[interval.low for interval in totals],
        high=[interval.high for interval in totals],
        texts=[form(interval.value) for form, interval in zip(formats, totals, strict=True)],
        intervals=[format_interval(interval, form) for form, interval in zip(formats, totals, strict=True)],
        period_title=_("Month"),
        value_title=_("Additional revenue"),
    )


def build_month_table(request: HttpRequest, months: list[HoldoutEffect], subject: str) -> Table:
    return build_table(
        request,
        months,
        id=f"{subject}_months",
        label=gettext_lazy("Months"),
        columns=[
            Column(key="month", label=gettext_lazy("Month"), align="text"),
            Column(key="verdict", label=gettext_lazy("Result"), align="text"),
            Column(key="revenue", label=gettext_lazy("Additional revenue")),
            Column(key="interval", label=gettext_lazy("95% interval")),
            Column(key="per_customer", label=gettext_lazy("Per customer")),
            Column(key="points", label=gettext_lazy("Difference in points")),
            Column(key="rate", label=RATE_LABELS[subject]),
            Column(key="holdout_rate", label=gettext_lazy("Ordered, holdout group")),
        ],
        format_row=texts.format_month_row,
        page_size=12,
    )


def build_change_table(request: HttpRequest, changes: list[GlobalHoldoutChange]) -> Table:
    return build_table(
        request,
        changes,
        id="changes",
        label=gettext_lazy("Changes of the holdout group"),
        columns=CHANGE_COLUMNS,
        format_row=lambda change: {
            "since": format_full_day(localtime(change.changed_at, get_time_zone()).date()),
            "share": format_exact_percent(change.share),
        },
        page_size=10,
    )
