"""The Stages page: stage changes between two days, each with its customers."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.timezone import localdate
from django.utils.translation import gettext as _

from config.foundation.backoffice.date_range import parse_date_choice
from config.foundation.backoffice.pages import render_page
from customers.lifecycle.backoffice.chart_colors import STAGE_COLORS
from customers.lifecycle.backoffice.drilldowns import (
    ANY_STAGE,
    UNKNOWN_STAGE,
    get_stage_label,
    make_drilldown_url,
)
from customers.lifecycle.backoffice.labels.verdicts import describe_stage_changes
from customers.lifecycle.backoffice.transition_matrix import ANY, make_sankey_chart, make_transition_matrix
from customers.lifecycle.models import Stage
from customers.lifecycle.rfm.queries import get_profiles_run
from customers.lifecycle.stages.flows import count_stage_flows, has_changes_since, sum_flows_by_stage


def render_stages_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the stage changes of the days in the URL, by default the last four weeks."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    # Today is part of the presets, as on the overview: the nightly refresh changes stages in the morning.
    choice = parse_date_choice(request.GET, today=localdate(), includes_today=True, comparison="none")
    run = get_profiles_run()
    context: dict[str, Any] = {"dates": choice, "run": run}
    if run is not None and not choice.errors:
        days = choice.range
        rows = count_stage_flows(since=days.start, until=days.end)
        is_now = days.last >= localdate() or not has_changes_since(days.end)
        context |= {
            **format_stage_flows(rows, {"since": days.first.isoformat(), "until": days.last.isoformat()}),
            "stage_counts": format_stage_counts(rows, is_now=is_now),
            "verdict": describe_stage_changes(rows),
        }
        if choice.compared:
            compared = count_stage_flows(since=choice.compared.start, until=choice.compared.end)
            context["compared"] = describe_stage_changes(compared)
    return render_page(
        request, "admin/lifecycle/stages.html", title=_("Stages"), as_of=run.as_of if run else None, **context
    )


def format_stage_flows(rows: list[dict[str, Any]], period: dict[str, str]) -> dict[str, Any]:
    """Return the matrix and the chart of the stage changes.

    period: URL parameters of the compared days.
    """
    counts = {(row["from_stage"], row["to_stage"]): row["customers"] for row in rows}
    names = {"": UNKNOWN_STAGE, ANY: ANY_STAGE}

    def make_url(old: str, new: str) -> str:
        return make_drilldown_url("stage-flow", **{"from": names.get(old, old), "to": names.get(new, new)}, **period)

    return {
        "matrix": make_transition_matrix(
            counts,
            from_states=("", *Stage.values),
            to_states=Stage.values,
            get_label=get_stage_label,
            make_url=make_url,
        ),
        "sankey": make_sankey_chart(
            counts, to_states=Stage.values, get_label=get_stage_label, make_url=make_url, colors=STAGE_COLORS
        ),
    }


def format_stage_counts(rows: list[dict[str, Any]], *, is_now: bool) -> list[dict[str, Any]]:
    """Return the customers per stage before and after.

    is_now: whether the stages at the end of the period are the current ones. Only those can be filtered, so earlier counts have no link.
    """
    return [
        {
            "name": get_stage_label(stage),
            "before": before,
            "after": after,
            "change": after - before,
            "url": make_drilldown_url("stage", stage=stage) if after and is_now else "",
        }
        for stage, (before, after) in sum_flows_by_stage(rows).items()
        if before or after
    ]
