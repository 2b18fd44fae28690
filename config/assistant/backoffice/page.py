"""The page Ask: a question in words, how it was understood, and its figures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_safe

from config.access.grants import Grant, find_user_grant
from config.assistant.ask.periods import CUSTOM, DEFAULT, PRESETS, Days, find_preset_days, parse_iso
from config.assistant.ask.understanding import MAX_CHARACTERS, Understanding, complete, fit, understand
from config.assistant.backoffice.charts import build_answer_table, build_chart, format_value, label_start
from config.assistant.caller import AssistantCaller, ToolError
from config.assistant.metrics.metric import MetricAnswer, MetricQuery, MetricRow, NamedMetric
from config.assistant.metrics.registry import METRICS, compute_metric, list_metrics
from config.assistant.model.client import is_configured
from config.foundation.backoffice.pages import render_page
from config.foundation.charts.spec import ChartSpec
from config.foundation.csv_cells import format_csv, mark_encoding
from config.foundation.number_formats import format_full_day
from customers.analytics.backoffice.building.vocabulary_choices import list_segment_filters, list_segments
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import Stage

VIEW = "analytics.view_analyticsresult"
INTERVAL_LABELS = {
    "day": gettext_lazy("By day"),
    "week": gettext_lazy("By week"),
    "month": gettext_lazy("By month"),
    "quarter": gettext_lazy("By quarter"),
}
GROUPING_LABELS = {
    "city": gettext_lazy("By city"),
    "country": gettext_lazy("By country"),
    "channel": gettext_lazy("By channel"),
    "stage": gettext_lazy("By lifecycle stage"),
    "segment": gettext_lazy("Members of the segment and all others"),
    "category": gettext_lazy("By category"),
    "campaign": gettext_lazy("By campaign"),
    "product": gettext_lazy("By product"),
    "rfm_group": gettext_lazy("By RFM group"),
    "language": gettext_lazy("By language"),
    "previous_stage": gettext_lazy("By previous stage"),
}
EXAMPLES = (
    gettext_lazy("churn last month by city"),
    gettext_lazy("revenue by week this year"),
    gettext_lazy("how many VIP customers"),
    gettext_lazy("who is at risk"),
    gettext_lazy("best sellers last 30 days"),
    gettext_lazy("retention by month"),
)
PARAMETERS = ("metric", "period", "since", "until", "interval", "group_by", "segment", "stage")
POLL = "2s"

type Option = tuple[str, Any, bool]


@dataclass(frozen=True)
class QuestionPart:
    """A part of how the question was understood that the reader can change: a select with its options."""

    name: str
    label: str
    options: Sequence[Option]


@dataclass(frozen=True)
class AskResult:
    """What the page shows below the question."""

    metric: NamedMetric
    query: MetricQuery
    answer: MetricAnswer | None
    problem: str
    choices: Sequence[QuestionPart]
    chart: ChartSpec | None = None
    table: Any = None
    sentence: str = ""


@require_safe
@permission_required(VIEW, raise_exception=True)
def show_ask(request: HttpRequest) -> HttpResponse:
    """Show the question box, and the answer to the question in the URL."""
    caller, today = make_caller(request), timezone.localdate()
    question = " ".join(request.GET.get("q", "").split())[:MAX_CHARACTERS]
    found = read_question(request, question, caller, today=today)
    result = None
    if found is not None and found.metric is not None:
        result = build_result(request, found, caller, today=today)
    is_computing = result is not None and result.answer is not None and result.answer.is_computing
    return render_page(
        request,
        "admin/assistant/ask.html",
        partial="admin/assistant/answer.html" if request.headers.get("HX-Target") == "answer" else "",
        title=_("Ask"),
        question=question,
        found=found,
        result=result,
        examples=[(example, make_ask_url(q=str(example))) for example in EXAMPLES],
        suggestions=[(metric.label, make_ask_url(metric=metric.key)) for metric in found.suggestions] if found else [],
        metrics=[(metric, make_ask_url(metric=metric.key)) for metric in list_metrics(caller)],
        ignored=", ".join(label_ignored(found.ignored)) if found else "",
        left_out=", ".join(found.list_left_out()) if found else "",
        unknown=", ".join(found.unknown) if found else "",
        csv_url=f"{reverse('assistant:csv')}?{request.GET.urlencode()}",
        url=request.get_full_path(),
        poll=POLL if is_computing else "",
        has_model=is_configured(),
    )


def make_caller(request: HttpRequest) -> AssistantCaller:
    """Return the caller of a page: the user with all permissions of the user."""
    grant = find_user_grant(request.user)
    return AssistantCaller(request, grant or Grant(caller="", name="", scopes=frozenset()))


def make_ask_url(**values: str) -> str:
    return f"{reverse('assistant:ask')}?{urlencode(values)}"


def read_question(request: HttpRequest, question: str, caller: AssistantCaller, *, today: date) -> Understanding | None:
    """Return how the question is understood; what was chosen in a select replaces it. None without a question."""
    metrics = list_metrics(caller)
    chosen = next((metric for metric in metrics if metric.key == request.GET.get("metric")), None)
    if not question and chosen is None:
        return None
    segments = list_segment_filters()
    found = understand(question, today=today, segments=segments, metrics=metrics) if question else Understanding()
    if not any(request.GET.get(name) is not None for name in PARAMETERS):
        return found
    metric = chosen or found.metric
    if metric is None:
        return found
    changes: dict[str, Any] = {
        name: request.GET[name][:100].replace("\0", "")  # PostgreSQL refuses NUL
        for name in ("interval", "group_by", "segment", "stage")
        if request.GET.get(name) is not None
    }
    found = fit(replace(found, metric=metric, days=read_days(request, found.days, today=today), **changes))
    return found if changes else complete(found, today)


def read_days(request: HttpRequest, days: Days | None, *, today: date) -> Days | None:
    """Return the days that were chosen, or those of the question."""
    preset = request.GET.get("period", "")
    if preset in PRESETS:
        return find_preset_days(preset, today)
    since, until = (parse_iso(request.GET.get(name, "")) for name in ("since", "until"))
    if preset != CUSTOM or since is None or until is None or since > until:
        return days
    return Days(CUSTOM, since, until)


def build_result(request: HttpRequest, found: Understanding, caller: AssistantCaller, *, today: date) -> AskResult:
    """Return the figures, or why there are none."""
    assert found.metric is not None
    metric, query = found.metric, found.to_query(today)
    choices = list_choices(found, list_metrics(caller), today=today)
    try:
        answer = compute_metric(query, caller)
    except ToolError as error:
        return AskResult(metric, query, None, str(error), choices)
    currency = get_amount_currency()
    interval = query.interval or str(answer.query["parameters"].get("interval") or "")
    return AskResult(
        metric,
        query,
        answer,
        "",
        choices,
        chart=build_chart(answer.rows, metric, interval, currency),
        table=build_answer_table(request, answer.rows, metric, interval, currency) if len(answer.rows) > 1 else None,
        sentence=describe_answer(metric, query, answer, interval, currency),
    )


def describe_answer(metric: NamedMetric, query: MetricQuery, answer: MetricAnswer, interval: str, currency: str) -> str:
    """Return the answer in a sentence: the value, the largest group, or the latest complete period; empty for groups by period."""
    rows = [row for row in answer.rows if row.value is not None]
    starts, labels = {row.start for row in rows if row.start}, {row.label for row in rows if row.label}
    if not rows or (len(starts) > 1 and labels):
        return ""
    days = describe_days(metric, query)
    if len(starts) > 1 and metric.is_additive and interval == "day":
        rows = [MetricRow(value=sum(row.value or 0 for row in rows))]
        starts = set()
    if len(starts) > 1:
        complete_rows = [row for row in rows if row.is_complete]
        if not complete_rows:
            return ""
        row, text = complete_rows[-1], _("%(metric)s in the latest complete period, %(days)s: %(value)s.")
        days = label_start(row.start, interval) if row.start else days
    elif len(labels) == 1:
        row, text = rows[0], _("%(metric)s, %(days)s: %(value)s (%(group)s).")
    elif labels:
        row, text = (
            max(rows, key=lambda each: each.value or 0),
            _("%(metric)s, %(days)s: highest in “%(group)s”, %(value)s."),
        )
    else:
        row, text = rows[0], _("%(metric)s, %(days)s: %(value)s.")
    if starts and len(starts) == 1:
        days = label_start(next(iter(starts)), interval)
    value = format_value(row.value, metric.unit, currency)
    return text % {"metric": metric.label, "days": days, "value": value, "group": row.label}


def describe_days(metric: NamedMetric, query: MetricQuery) -> str:
    """Return the days of a query, or a text that the figures are current."""
    if metric.is_current_state:
        return _("now")
    return _("%(since)s to %(until)s") % {"since": format_full_day(query.since), "until": format_full_day(query.until)}


def list_choices(found: Understanding, metrics: Iterable[NamedMetric], *, today: date) -> list[QuestionPart]:
    """Return the selects: metric, days, interval, grouping, segment and stage, as far as the metric has them."""
    assert found.metric is not None
    metric = found.metric
    days = found.days or find_preset_days(DEFAULT, today)
    choices = [
        QuestionPart("metric", _("Metric"), [(each.key, each.label, each.key == metric.key) for each in metrics]),
    ]
    if not metric.is_current_state:
        presets = [(key, preset.label, key == days.preset) for key, preset in PRESETS.items()]
        if days.preset == CUSTOM:
            label = f"{format_full_day(days.since)} – {format_full_day(days.until)}"
            presets.insert(0, (CUSTOM, label, True))
        choices.append(QuestionPart("period", _("Period"), presets))
    if metric.intervals:
        choices.append(
            QuestionPart(
                "interval",
                pgettext("granularity", "Interval"),
                make_options(_("The whole period"), INTERVAL_LABELS, metric.intervals, found.interval),
            )
        )
    if metric.groupings:
        valid = [name for name in metric.groupings if name != "segment" or found.segment]
        choices.append(
            QuestionPart("group_by", _("Grouping"), make_options(_("None"), GROUPING_LABELS, valid, found.group_by))
        )
    if "segment" in metric.filters:
        segments = list_segment_filters()
        choices.append(
            QuestionPart("segment", _("Segment"), make_options(_("All customers"), segments, segments, found.segment))
        )
    if "stage" in metric.filters:
        stages = {stage.value: stage.label for stage in Stage}
        choices.append(QuestionPart("stage", _("Stage"), make_options(_("All stages"), stages, stages, found.stage)))
    return choices


def make_options(nothing: str, labels: Any, valid: Iterable[str], chosen: str) -> list[Option]:
    """Return the options of a select, with the empty choice first."""
    return [("", nothing, not chosen), *((key, labels.get(key, key), key == chosen) for key in valid)]


def label_ignored(names: Iterable[str]) -> list[str]:
    """Return the names of the parts of the question that do not apply to the metric."""
    labels = {**INTERVAL_LABELS, **GROUPING_LABELS, **{stage.value: stage.label for stage in Stage}}
    segments = list_segments()
    return [str(labels.get(name) or segments.get(name, name)) for name in names]


@require_safe
@permission_required(VIEW, raise_exception=True)
def download_answer(request: HttpRequest) -> HttpResponse:
    """Download the figures with exact numbers; 409 while they are computed, 404 without a question."""
    caller, today = make_caller(request), timezone.localdate()
    question = " ".join(request.GET.get("q", "").split())[:MAX_CHARACTERS]
    found = read_question(request, question, caller, today=today)
    if found is None or found.metric is None:
        return respond_text(_("This question is not understood."), 404)
    query = found.to_query(today)
    try:
        answer = compute_metric(query, caller)
    except ToolError as error:
        return respond_text(str(error), 400)
    if answer.as_of is None:
        return respond_text(_("The result is being computed. Try again in a moment."), 409)
    rows: list[list[Any]] = [["metric", "period", "is_complete", "group", "value", "out_of"]]
    rows += [
        [query.metric, row.start and row.start.isoformat(), int(row.is_complete), row.label, row.value, row.people]
        for row in answer.rows
    ]
    response = HttpResponse(mark_encoding([format_csv(rows)]), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = (
        f'attachment; filename="{METRICS[query.metric].key}-{timezone.localtime(answer.as_of):%Y-%m-%d}.csv"'
    )
    return response


def respond_text(text: str, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
