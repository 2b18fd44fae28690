"""The Lifecycle page.

It shows stage changes between two days, RFM, predicted value, predictions and clusters.
"""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import localdate
from django.utils.translation import gettext as _

from customers.lifecycle.backoffice.chart_colors import STAGE_COLORS
from customers.lifecycle.backoffice.date_range import DateRange, DateRangeForm
from customers.lifecycle.backoffice.drilldowns import UNKNOWN_STAGE, get_stage_label, make_drilldown_url
from customers.lifecycle.backoffice.panels.clusters_panel import build_clusters_panel
from customers.lifecycle.backoffice.panels.clv_panel import build_clv_panel
from customers.lifecycle.backoffice.panels.propensity_panel import build_propensity_panel
from customers.lifecycle.backoffice.panels.rfm_panel import build_rfm_panel
from customers.lifecycle.backoffice.transition_matrix import make_sankey_chart, make_transition_matrix
from customers.lifecycle.models import LifecycleRun, Stage
from customers.lifecycle.stages.flows import count_stage_flows, sum_flows_by_stage

FORMS = {"form": ("since", "until"), "rfm_form": ("rfm", "rfm_since", "rfm_until")}


def render_overview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the Lifecycle page for the two days in the URL, by default the last four weeks."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    parameters = request.GET.dict()
    form = DateRangeForm.from_parameters(parameters)
    run = LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).order_by("-as_of").first()
    context: dict[str, Any] = {
        "form": form,
        "run": run,
        "empty": run is None,
        "other_parameters": select_parameters(parameters, FORMS["rfm_form"]),
        "rfm_other_parameters": select_parameters(parameters, FORMS["form"]),
    }
    if run is not None:
        context |= {
            "rfm": build_rfm_panel(parameters),
            "value": build_clv_panel(),
            "propensities": build_propensity_panel(),
            "clusters": build_clusters_panel(),
        }
    if form.is_valid() and run is not None:
        period = DateRange.from_form(form)
        rows = count_stage_flows(since=period.since, until=period.until)
        context |= format_stage_flows(rows, form.to_url_parameters()) | {
            "stage_counts": format_stage_counts(rows, is_now=form.cleaned_data["until"] >= localdate())
        }
    return TemplateResponse(
        request,
        "admin/lifecycle/overview.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Lifecycle"),
            "opts": model_admin.opts,
            **context,
        },
    )


def select_parameters(parameters: dict[str, str], names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the parameters of the other form, which this form submits in hidden fields."""
    return [(name, parameters[name]) for name in names if parameters.get(name)]


def format_stage_flows(rows: list[dict[str, Any]], period: dict[str, str]) -> dict[str, Any]:
    """Return the matrix and the chart of the stage changes.

    period: URL parameters of the compared days.
    """
    counts = {(row["from_stage"], row["to_stage"]): row["customers"] for row in rows}

    def make_url(old: str, new: str) -> str:
        return make_drilldown_url("stage-flow", **{"from": old or UNKNOWN_STAGE, "to": new}, **period)

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

    is_now: whether the period ends today. Only the current stage can be filtered, so earlier counts have no link.
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
