"""The page Outcomes: retention, conversion, satisfaction and growth, and the incremental lift of marketing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Table, build_table
from config.foundation.csv_cells import format_csv, mark_encoding
from config.foundation.number_formats import format_change, format_percent, format_whole_money
from customers.analytics.backoffice.access import VIEW, VIEW_CUSTOMERS
from customers.analytics.backoffice.building.vocabulary_choices import list_segment_filters, list_segments
from customers.analytics.backoffice.results.view import ResultContext
from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.expressions.periods import PeriodUnit
from customers.analytics.outcomes.parameters import OutcomeParameters
from customers.analytics.outcomes.registry import MEASURES, OutcomeMeasure
from customers.analytics.results import ResultState, cancel_result, get_result
from customers.identity.personal_data.masking import may_see_personal
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.warehouse.current_tables import NO_EXPORT, is_export_missing
from recommendations.outcomes.backoffice.displays import DISPLAYS
from recommendations.outcomes.backoffice.incremental_lift import build_lift_context, list_lift_rows
from recommendations.outcomes.backoffice.labels import label_period
from recommendations.outcomes.backoffice.view import OutcomeDisplay, OutcomeView
from recommendations.outcomes.incremental_lift import MarketingLift, build_marketing_lift, list_month_revenues
from recommendations.outcomes.measured import load_measures
from recommendations.outcomes.period_choice import read_parameters
from recommendations.sending.global_holdout.report import HoldoutReport, load_report

VIEW_LIFT = "campaigns.view_campaign"
UNIT_LABELS = {
    PeriodUnit.WEEK: gettext_lazy("Weeks"),
    PeriodUnit.MONTH: gettext_lazy("Months"),
    PeriodUnit.QUARTER: gettext_lazy("Quarters"),
}
SPLIT_LABELS = {
    "": gettext_lazy("No split"),
    "channel": gettext_lazy("Channels"),
    "stage": gettext_lazy("Current stages"),
    "city": gettext_lazy("Cities"),
    "segment": gettext_lazy("The segment and all others"),
}
POLL_FIRST, POLL_AGAIN = "1s", "4s"


@dataclass(frozen=True)
class OutcomeBlock:
    """A measure on the page. view: None until there is a result."""

    measure: OutcomeMeasure
    display: OutcomeDisplay
    state: ResultState
    view: OutcomeView | None
    table: Table | None

    @property
    def duration(self) -> str:
        """The seconds that the answer took."""
        seconds = self.state.duration_seconds
        return "" if seconds is None else f"{seconds:.1f}"


@require_safe
@permission_required(VIEW, raise_exception=True)
def show_outcomes(request: HttpRequest) -> HttpResponse:
    """Show the four measures; those that are not current are computed in the background."""
    now, problem = timezone.now(), ""
    try:
        parameters = read_parameters(request.GET, today=timezone.localdate(now))
        states = load_measures(parameters, now=now)
    except ParameterError as error:
        problem = str(error)
        parameters = read_parameters({}, today=timezone.localdate(now))
        states = load_measures(parameters, now=now)
    blocks = [build_block(request, key, state, parameters) for key, state in states.items()]
    is_pending = any(block.state.pending_id is not None for block in blocks)
    context: dict[str, Any] = {
        "blocks": blocks,
        "poll": (POLL_AGAIN if all(block.view for block in blocks) else POLL_FIRST) if is_pending else "",
        "url": request.get_full_path(),
        "query": request.GET.urlencode(),
        "incremental_lift": build_lift_part(request, states, parameters),
        "segment_name": list_segments().get(parameters.segment, ""),
    }
    return render_page(
        request,
        "admin/outcomes/page.html",
        partial="admin/outcomes/blocks.html" if request.headers.get("HX-Target") == "outcomes" else "",
        title=_("Outcomes"),
        verdict=describe_outcomes(states, parameters),
        problem=problem,
        units=[(unit.value, label, unit == parameters.unit) for unit, label in UNIT_LABELS.items()],
        splits=[(split, label, split == parameters.split) for split, label in SPLIT_LABELS.items()],
        segments=[(key, name, key == parameters.segment) for key, name in list_segment_filters().items()],
        status=400 if problem else None,
        **context,
    )


def build_block(request: HttpRequest, key: str, state: ResultState, parameters: OutcomeParameters) -> OutcomeBlock:
    """Return a measure as the page shows it."""
    display, view, table = DISPLAYS[key], None, None
    if state.result is not None and state.as_of is not None:
        view = display.show(state.result, build_context(request, key, state, parameters))
    if view is not None and view.rows:
        table = build_table(
            request,
            list(view.rows),
            id=f"{key}_table",
            label=view.table_title,
            columns=view.columns,
            format_row=lambda row: row,
            page_size=14,
        )
    return OutcomeBlock(MEASURES[key], display, state, view, table)


def build_context(request: HttpRequest, key: str, state: ResultState, parameters: OutcomeParameters) -> ResultContext:
    assert state.as_of is not None
    return ResultContext(
        question=MEASURES[key].question,
        parameters=parameters,
        options={},
        as_of=state.as_of,
        with_personal=may_see_personal(request),
        may_list=request.user.has_perm(VIEW_CUSTOMERS),
        segments=list_segments(),
        currency=get_amount_currency(),
    )


def describe_outcomes(states: Mapping[str, ResultState], parameters: OutcomeParameters) -> str:
    """Return revenue and retention of the latest period in which both are complete; nothing before they are measured."""
    growth, retention = (states[key].result for key in ("growth", "retention"))
    if growth is None or retention is None:
        return ""
    for period, repeat in zip(reversed(growth.groups[0].periods), reversed(retention.groups[0].periods), strict=False):
        if period.is_complete and repeat.is_complete and repeat.share is not None and period.previous is not None:
            return _(
                "%(period)s: %(revenue)s of revenue (%(change)s), and %(share)s of the customers of the period before ordered again."
            ) % {
                "period": label_period(period.start, parameters.unit),
                "revenue": format_whole_money(period.revenue, get_amount_currency()),
                "change": format_change(period.previous.relative),
                "share": format_percent(repeat.share),
            }
    return ""


def load_lift(states: Mapping[str, ResultState], parameters: OutcomeParameters) -> tuple[HoldoutReport, MarketingLift]:
    """Return the report of the holdout group, and its part of the outcomes."""
    report = load_report()
    return report, build_marketing_lift(report, list_month_revenues(states["growth"].result, parameters))


def build_lift_part(
    request: HttpRequest, states: Mapping[str, ResultState], parameters: OutcomeParameters
) -> dict[str, Any] | None:
    """Return the incremental lift; None for users who may not see campaigns."""
    if not request.user.has_perm(VIEW_LIFT):
        return None
    report, lift = load_lift(states, parameters)
    return {
        **build_lift_context(request, report, lift, get_amount_currency()),
        "is_limited": bool(parameters.segment or parameters.split),
    }


@require_safe
@permission_required(VIEW, raise_exception=True)
def download_csv(request: HttpRequest, key: str) -> HttpResponse:
    """Download the figures of a measure or of the incremental lift; 409 while there are none."""
    if key in MEASURES and is_export_missing():
        return HttpResponse(NO_EXPORT, status=409, content_type="text/plain; charset=utf-8")
    now = timezone.now()
    try:
        parameters = read_parameters(request.GET, today=timezone.localdate(now))
        rows, as_of = list_csv_rows(request, key, parameters, now=now)
    except ParameterError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    if as_of is None:
        text = _("The result is being computed. Try again in a moment.")
        return HttpResponse(text, status=409, content_type="text/plain; charset=utf-8")
    response = HttpResponse(mark_encoding([format_csv(rows)]), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="outcomes-{key}-{timezone.localtime(as_of):%Y-%m-%d}.csv"'
    return response


def list_csv_rows(
    request: HttpRequest, key: str, parameters: OutcomeParameters, *, now: datetime
) -> tuple[list[list[Any]], datetime | None]:
    """Return the rows and their moment; None without a result. Raises Http404, ParameterError."""
    if key == "incremental_lift" and request.user.has_perm(VIEW_LIFT):
        return list_lift_rows(build_marketing_lift(load_report(), {})), now
    if key not in MEASURES:
        raise Http404
    state = get_result(question=MEASURES[key].question, parameters=parameters, now=now)
    if state.result is None or state.as_of is None:
        return [], None
    return DISPLAYS[key].list_rows(state.result, build_context(request, key, state, parameters)), state.as_of


@require_POST
@permission_required(VIEW, raise_exception=True)
def change_computation(request: HttpRequest, key: str) -> HttpResponse:
    """Cancel the computation of a measure, or start it again after it failed or was canceled."""
    if key not in MEASURES:
        raise Http404
    now, number = timezone.now(), request.POST.get("result", "")
    try:
        parameters = read_parameters(request.GET, today=timezone.localdate(now))
        if request.POST.get("action") == "cancel" and number.isdecimal() and len(number) < 19:
            cancel_result(result_id=int(number), now=now)
        elif request.POST.get("action") == "again":
            get_result(question=MEASURES[key].question, parameters=parameters, now=now, is_forced=True)
    except ParameterError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    response = HttpResponse(status=303)
    response["Location"] = f"{reverse('outcomes:page')}?{request.GET.urlencode()}"
    return response
