"""The Lifecycle page: who moved from which stage to which between two days, what customers are worth, and who is like whom."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import localdate
from django.utils.translation import gettext as _

from customers.lifecycle.backoffice.date_range import Range, RangeForm
from customers.lifecycle.backoffice.drilldowns import UNKNOWN, people_link, stage_name
from customers.lifecycle.backoffice.panels.clusters_panel import cluster_section
from customers.lifecycle.backoffice.panels.clv_panel import value_section
from customers.lifecycle.backoffice.panels.propensity_panel import propensity_section
from customers.lifecycle.backoffice.panels.rfm_panel import rfm_section
from customers.lifecycle.backoffice.transition_matrix import sankey, shown_matrix
from customers.lifecycle.models import LifecycleRun, Stage
from customers.lifecycle.stages.flows import movement, standing

FORMS = {"form": ("since", "until"), "rfm_form": ("rfm", "rfm_since", "rfm_until")}


def lifecycle_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Movement between the two days that the address names."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    given = request.GET.dict()
    form = RangeForm.asked(given)
    run = LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).order_by("-as_of").first()
    context: dict[str, Any] = {
        "form": form,
        "run": run,
        "empty": run is None,
        "carried": carried(given, FORMS["rfm_form"]),
        "rfm_carried": carried(given, FORMS["form"]),
    }
    if run is not None:
        context |= {
            "rfm": rfm_section(given),
            "value": value_section(),
            "propensities": propensity_section(),
            "clusters": cluster_section(),
        }
    if form.is_valid() and run is not None:
        found = Range.of(form)
        rows = movement(since=found.since, until=found.until)
        context |= shown_movement(rows, form.days()) | {
            "standing": shown_standing(rows, is_now=form.cleaned_data["until"] >= localdate())
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


def carried(given: dict[str, str], names: tuple[str, ...]) -> list[tuple[str, str]]:
    """What one form of the page keeps of the other's."""
    return [(name, given[name]) for name in names if given.get(name)]


def shown_movement(rows: list[dict[str, Any]], days: dict[str, str]) -> dict[str, Any]:
    counts = {(row["from_stage"], row["to_stage"]): row["customers"] for row in rows}

    def link(old: str, new: str) -> str:
        return people_link("moved", **{"from": old or UNKNOWN, "to": new}, **days)

    return {
        "matrix": shown_matrix(counts, olds=("", *Stage.values), news=Stage.values, name=stage_name, link=link),
        "sankey": sankey(counts, news=Stage.values, name=stage_name, link=link, palette="stages"),
    }


def shown_standing(rows: list[dict[str, Any]], *, is_now: bool) -> list[dict[str, Any]]:
    """How many stood in each stage before and after. is_now: after is now, so there are people to show."""
    return [
        {
            "name": stage_name(stage),
            "before": before,
            "after": after,
            "change": after - before,
            "url": people_link("stage", stage=stage) if after and is_now else "",
        }
        for stage, (before, after) in standing(rows).items()
        if before or after
    ]
