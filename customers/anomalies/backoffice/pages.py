"""The pages of anomalies: all of the last weeks, one with its explanation, and a metric with its range."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import join_sentences
from customers.analytics.backoffice.addresses import make_question_url
from customers.analytics.models import Annotation
from customers.anomalies.backoffice.charts import build_metric_chart, format_range
from customers.anomalies.backoffice.listing import list_anomalies, show_anomalies
from customers.anomalies.backoffice.texts import AnomalyTexts, format_weekday, list_segments, load_texts, make_heading
from customers.anomalies.metrics import Metric, find_metric, list_metrics
from customers.anomalies.models import MAX_REASON, Anomaly, AnomalyRun, DayState, MetricDay
from customers.anomalies.refresh import MIN_HISTORY_DAYS, NO_DATA, find_latest_run

VIEW, CHANGE, ADD_ANNOTATION = "anomalies.view_anomaly", "anomalies.change_anomaly", "analytics.add_annotation"
CHART_DAYS = 60
AFTER_DAYS = 14
REPORT_DAYS = 27


class ReasonForm(forms.Form):
    """Why a day was unusual."""

    text = forms.CharField(label=gettext_lazy("Known reason"), max_length=MAX_REASON)


def check_anomaly_permissions(request: HttpRequest, *permissions: str) -> None:
    check_permissions(request, VIEW, *permissions)


@require_safe
def show_list(request: HttpRequest) -> HttpResponse:
    """Show the anomalies of the last four weeks, and how each metric was on the last day."""
    check_anomaly_permissions(request)
    run = find_latest_run()
    if run is None or run.last_day is None or run.problem == NO_DATA:
        return render_list(request, run, verdict="", shown=[], metrics=[])
    shown = show_anomalies(list_anomalies(until=run.last_day))
    texts = load_texts([])
    rows = {row.metric: row for row in MetricDay.objects.filter(day=run.last_day)}
    metrics = [build_metric_row(metric, rows[metric.key], texts) for metric in list_metrics() if metric.key in rows]
    return render_list(request, run, verdict=describe_day(run, rows), shown=shown, metrics=metrics)


def render_list(request: HttpRequest, run: AnomalyRun | None, **context: Any) -> HttpResponse:
    return render_page(
        request,
        "admin/anomalies/list.html",
        title=_("Anomalies"),
        as_of=run.as_of if run else None,
        run=run,
        min_days=MIN_HISTORY_DAYS,
        **context,
    )


def describe_day(run: AnomalyRun, rows: dict[str, MetricDay]) -> str:
    """Return how many metrics were unusual on the last complete day."""
    assert run.last_day is not None
    judged = [row for row in rows.values() if row.state in (DayState.USUAL, DayState.UNUSUAL, DayState.MISSING)]
    unusual = [row for row in judged if row.state != DayState.USUAL]
    values = {"day": format_weekday(run.last_day), "count": len(unusual), "judged": len(judged)}
    if not judged:
        return ""
    if not unusual:
        return _("On %(day)s, all metrics were as usual.") % values
    return (
        ngettext(
            "On %(day)s, %(count)d of %(judged)d metrics was unusual.",
            "On %(day)s, %(count)d of %(judged)d metrics were unusual.",
            len(unusual),
        )
        % values
    )


def build_metric_row(metric: Metric, row: MetricDay, texts: AnomalyTexts) -> dict[str, Any]:
    return {
        "label": metric.label,
        "url": reverse("anomalies:metric", args=[metric.key]),
        "value": texts.format(metric, row.value),
        "range": format_range(metric, row.low, row.high, texts),
        "state": DayState(row.state).label,
        "is_unusual": row.state in (DayState.UNUSUAL, DayState.MISSING),
    }


@require_safe
def show_anomaly(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an anomaly with its explanation, and ask for a known reason."""
    check_anomaly_permissions(request)
    anomaly = get_object_or_404(Anomaly.objects.select_related("annotation"), pk=pk)
    metric = find_metric(anomaly.metric)
    if metric is None:
        raise Http404
    texts = load_texts([anomaly])
    tables = anomaly.explanation.get("tables", {})
    first = anomaly.explanation.get("dimension", "")
    return render_page(
        request,
        "admin/anomalies/anomaly.html",
        title=_("%(metric)s, %(kind)s") % {"metric": metric.label, "kind": anomaly.get_kind_display()},
        verdict=join_sentences([texts.describe_deviation(anomaly), texts.describe_explanation(anomaly)]),
        as_of=anomaly.computed_at,
        anomaly=anomaly,
        metric=metric,
        chart=make_chart(metric, texts, until=anomaly.day + timedelta(days=AFTER_DAYS)),
        dimensions=[
            {"heading": make_heading(name), "rows": list_segments(texts, anomaly, name), "is_named": name == first}
            for name in sorted(tables, key=lambda name: name != first)
        ],
        report_url=make_report_url(metric, anomaly),
        may_change=request.user.has_perms([CHANGE, ADD_ANNOTATION]),
        form=ReasonForm(),
    )


@require_safe
def show_metric(request: HttpRequest, key: str) -> HttpResponse:
    """Show a metric with the range that was expected."""
    check_anomaly_permissions(request)
    metric = find_metric(key)
    run = find_latest_run()
    if metric is None or run is None or run.last_day is None:
        raise Http404
    texts = load_texts([])
    anomalies = [row for row in list_anomalies(until=run.last_day, days=CHART_DAYS) if row.metric == key]
    return render_page(
        request,
        "admin/anomalies/metric.html",
        title=str(metric.label),
        as_of=run.as_of,
        metric=metric,
        chart=make_chart(metric, texts, until=run.last_day),
        shown=show_anomalies(anomalies),
    )


def make_chart(metric: Metric, texts: AnomalyTexts, *, until: Any) -> Any:
    """Return the chart of the 60 days before a day; None without data."""
    days = list(MetricDay.objects.filter(metric=metric.key, day__gt=until - timedelta(days=CHART_DAYS), day__lte=until))
    return build_metric_chart(metric, days, texts) if days else None


def make_report_url(metric: Metric, anomaly: Anomaly) -> str:
    """Return the trend of about the same figure, whose points list their people; empty without one."""
    if not metric.report:
        return ""
    days = {"since": str(anomaly.day - timedelta(days=REPORT_DAYS)), "until": str(anomaly.day)}
    return make_question_url("trends", {**metric.report, **days})


@require_POST
def change_reason(request: HttpRequest, pk: int) -> HttpResponse:
    """Store a known reason of the day, or remove it; it becomes an annotation of the trends."""
    check_anomaly_permissions(request, CHANGE, ADD_ANNOTATION)
    anomaly = get_object_or_404(Anomaly, pk=pk)
    day = Anomaly.objects.filter(day=anomaly.day)
    if request.POST.get("action") == "remove":
        if anomaly.annotation is not None:
            anomaly.annotation.delete()
        messages.success(request, _("The known reason was removed. Later days are compared with this day again."))
        return HttpResponseRedirect(reverse("anomalies:anomaly", args=[pk]))
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, join_sentences(str(error) for errors in form.errors.values() for error in errors))
        return HttpResponseRedirect(reverse("anomalies:anomaly", args=[pk]))
    user: Any = request.user
    with transaction.atomic():
        annotation = Annotation.objects.create(day=anomaly.day, text=form.cleaned_data["text"])
        for row in day.filter(annotation=None):
            row.annotation, row.noted_by = annotation, user
            row.save(update_fields=["annotation", "noted_by"])
    messages.success(
        request, _("The reason is stored, and shown on all trends. Later days are not compared with this day.")
    )
    return HttpResponseRedirect(reverse("anomalies:anomaly", args=[pk]))
