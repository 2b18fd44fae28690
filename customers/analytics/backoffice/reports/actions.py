"""The buttons of reports: save, rename, delete, add to a dashboard, annotate a day."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from config.foundation.number_formats import join_label, join_sentences
from customers.analytics.backoffice.access import (
    ADD_ANNOTATION,
    ADD_DASHBOARD,
    ADD_REPORT,
    CHANGE_DASHBOARD,
    CHANGE_REPORT,
    DELETE_ANNOTATION,
    DELETE_DASHBOARD,
    DELETE_REPORT,
    check_analytics_permissions,
)
from customers.analytics.backoffice.addresses import make_question_url, parse_json
from customers.analytics.backoffice.question_page import get_page
from customers.analytics.backoffice.question_pages import QUESTION_PAGES
from customers.analytics.backoffice.reports.overview_page import make_report_url
from customers.analytics.backoffice.reports.presets import WEEKLY
from customers.analytics.backoffice.shown_results import read_parameters
from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.models import Annotation, Dashboard, SavedReport


class ReportForm(forms.ModelForm):
    """The name of a saved report."""

    class Meta:
        model = SavedReport
        fields = ("name",)
        error_messages: ClassVar[dict[str, Any]] = {
            "name": {"unique": gettext_lazy("A report with this name already exists. Choose another name.")}
        }


class DashboardForm(forms.ModelForm):
    """The name of a dashboard."""

    class Meta:
        model = Dashboard
        fields = ("name",)
        error_messages: ClassVar[dict[str, Any]] = {
            "name": {"unique": gettext_lazy("A dashboard with this name already exists. Choose another name.")}
        }


class AnnotationForm(forms.ModelForm):
    """A day and what happened on it."""

    class Meta:
        model = Annotation
        fields = ("day", "text")


def show_errors(request: HttpRequest, form: forms.ModelForm) -> None:
    """Show what is wrong with a form on the next page."""
    for name, errors in form.errors.items():
        label = form.fields[name].label if name in form.fields else ""
        text = join_sentences(map(str, errors))
        messages.error(request, join_label(label, text) if label else text)


@require_POST
def save_report(request: HttpRequest, question: str) -> HttpResponse:
    """Save a question with its parameters under a name, and open it."""
    check_analytics_permissions(request, ADD_REPORT)
    page = get_page(question)
    try:
        content = parse_json(request.POST.get("ask", ""), "ask")
        read_parameters(page.question, content, now=timezone.now())
    except ParameterError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    form = ReportForm(request.POST)
    if not form.is_valid():
        show_errors(request, form)
        return HttpResponseRedirect(make_question_url(question, content))
    report = form.save(commit=False)
    report.question, report.parameters, report.created_by = question, content, request.user
    report.save()
    messages.success(request, _("The report was saved."))
    return HttpResponseRedirect(make_report_url(report))


@require_POST
def change_report(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename a report, or replace its question by the one that the page shows."""
    check_analytics_permissions(request, CHANGE_REPORT)
    report = get_object_or_404(SavedReport, pk=pk, question__in=QUESTION_PAGES)
    if request.POST.get("action") == "rename":
        save_name(request, ReportForm(request.POST, instance=report))
        return HttpResponseRedirect(make_report_url(report))
    try:
        content = parse_json(request.POST.get("ask", ""), "ask")
        read_parameters(report.question, content, now=timezone.now())
    except ParameterError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    report.parameters = content
    report.save(update_fields=["parameters"])
    messages.success(request, _("The report was saved."))
    return HttpResponseRedirect(make_report_url(report))


def save_name(request: HttpRequest, form: forms.ModelForm) -> None:
    """Save a new name, or show what is wrong with it."""
    if form.is_valid():
        form.save()
    else:
        show_errors(request, form)


@require_POST
def delete_report(request: HttpRequest, pk: int) -> HttpResponse:
    check_analytics_permissions(request, DELETE_REPORT)
    get_object_or_404(SavedReport, pk=pk).delete()
    messages.success(request, _("The report was deleted."))
    return HttpResponseRedirect(reverse("analytics:overview"))


@require_POST
def create_dashboard(request: HttpRequest) -> HttpResponse:
    check_analytics_permissions(request, ADD_DASHBOARD)
    form = DashboardForm(request.POST)
    if not form.is_valid():
        show_errors(request, form)
        return HttpResponseRedirect(reverse("analytics:overview"))
    return HttpResponseRedirect(reverse("analytics:dashboard", args=[form.save().pk]))


@require_POST
def create_weekly_dashboard(request: HttpRequest) -> HttpResponse:
    """Save the reports of the weekly overview, and open the dashboard that shows them."""
    check_analytics_permissions(request, ADD_REPORT, ADD_DASHBOARD)
    with transaction.atomic():
        dashboard, is_new = Dashboard.objects.get_or_create(name=_("Weekly overview"))
        if is_new:
            for preset in WEEKLY:
                values = {"question": preset.question, "parameters": preset.parameters, "created_by": request.user}
                report, _is_new = SavedReport.objects.get_or_create(name=str(preset.label), defaults=values)
                dashboard.reports.add(report)
    return HttpResponseRedirect(reverse("analytics:dashboard", args=[dashboard.pk]))


@require_POST
def change_dashboard(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename a dashboard, add a report to it, or remove one."""
    check_analytics_permissions(request, CHANGE_DASHBOARD)
    dashboard = get_object_or_404(Dashboard, pk=pk)
    if request.POST.get("action") == "rename":
        save_name(request, DashboardForm(request.POST, instance=dashboard))
        return HttpResponseRedirect(reverse("analytics:dashboard", args=[pk]))
    number = request.POST.get("report", "")
    report = get_object_or_404(SavedReport, pk=int(number) if number.isdecimal() and len(number) < 10 else 0)
    if request.POST.get("action") == "remove":
        dashboard.reports.remove(report)
    else:
        dashboard.reports.add(report)
    return HttpResponseRedirect(reverse("analytics:dashboard", args=[pk]))


@require_POST
def delete_dashboard(request: HttpRequest, pk: int) -> HttpResponse:
    check_analytics_permissions(request, DELETE_DASHBOARD)
    get_object_or_404(Dashboard, pk=pk).delete()
    messages.success(request, _("The dashboard was deleted. Its reports were kept."))
    return HttpResponseRedirect(reverse("analytics:overview"))


@require_POST
def add_annotation(request: HttpRequest) -> HttpResponse:
    """Annotate a day on all trends."""
    check_analytics_permissions(request, ADD_ANNOTATION)
    form = AnnotationForm(request.POST)
    if form.is_valid():
        form.save()
        messages.success(request, _("The annotation is shown on all trends."))
    else:
        show_errors(request, form)
    return return_to_trends(request)


@require_POST
def delete_annotation(request: HttpRequest, pk: int) -> HttpResponse:
    check_analytics_permissions(request, DELETE_ANNOTATION)
    get_object_or_404(Annotation, pk=pk).delete()
    return return_to_trends(request)


def return_to_trends(request: HttpRequest) -> HttpResponse:
    """Return to the trend from which the annotation was changed."""
    try:
        url = make_question_url("trends", parse_json(request.POST.get("ask", ""), "ask"))
    except ParameterError:
        url = reverse("analytics:trends")
    return HttpResponseRedirect(url)
