"""The Lifecycle overview: customers per stage, and the summary sentence of each Lifecycle page."""

from datetime import timedelta
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from config.foundation.backoffice.date_range import DayRange, make_last_days
from config.foundation.backoffice.pages import render_page
from config.foundation.charts.light import BarList, build_bar_list
from config.foundation.number_formats import format_count
from customers.lifecycle.backoffice.drilldowns import get_stage_label, make_drilldown_url
from customers.lifecycle.backoffice.labels.verdicts import (
    describe_clusters,
    describe_prediction,
    describe_rfm,
    describe_stage_changes,
    describe_stages,
    describe_value,
)
from customers.lifecycle.backoffice.panels.propensity_panel import compute_random_gap
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.propensity.models import PROPENSITY_KINDS
from customers.lifecycle.refresh.score_models import ScoreModelsByKind, load_latest_score_models
from customers.lifecycle.rfm.queries import ALL_TIME, get_profiles_run, query_rfm_groups
from customers.lifecycle.stages.flows import count_stage_flows, sum_flows_by_stage

DAYS = 28


def render_overview_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the customers per stage and the sentence of each page, for the last four weeks until now."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    run = get_profiles_run()
    context: dict[str, Any] = {"run": run}
    if run is not None:
        # Today is one of the days, as on the page Stages and on Home: the nightly refresh changes stages in the morning.
        days = make_last_days(DAYS)(localdate() + timedelta(days=1))
        rows = count_stage_flows(since=days.start, until=days.end)
        context |= {
            "verdict": describe_stages(rows, first_day=days.first),
            "stages": make_stage_bars(rows),
            "answers": list_answers(rows, days, run),
        }
    return render_page(
        request, "admin/lifecycle/overview.html", title=_("Lifecycle"), as_of=run.as_of if run else None, **context
    )


def make_stage_bars(rows: list[dict[str, Any]]) -> BarList:
    """Return a bar per stage; each opens its customers."""
    counts = {stage: after for stage, (_before, after) in sum_flows_by_stage(rows).items() if after}
    return build_bar_list(
        label=_("Customers per stage"),
        labels=[capfirst(get_stage_label(stage)) for stage in counts],
        values=list(counts.values()),
        texts=[format_count(customers) for customers in counts.values()],
        links=[make_drilldown_url("stage", stage=stage) for stage in counts],
    )


def list_answers(rows: list[dict[str, Any]], days: DayRange, run: LifecycleRun) -> list[dict[str, str]]:
    """Return the sentence of each page with its link; pages without figures are left out."""
    score_models = load_latest_score_models()
    period = f"since={days.first.isoformat()}&until={days.last.isoformat()}"
    answers = [
        (_("Stages"), "admin:lifecycle_stages", period, describe_stage_changes(rows)),
        (_("RFM"), "admin:lifecycle_rfm", "", describe_rfm(query_rfm_groups(basis=ALL_TIME, as_of=run.as_of))),
        *describe_models(score_models),
    ]
    return [
        {"title": title, "url": f"{reverse(name)}{'?' if query else ''}{query}", "text": text}
        for title, name, query, text in answers
        if text
    ]


def describe_models(score_models: ScoreModelsByKind) -> list[tuple[str, str, str, str]]:
    """Return the title, page, query and sentence of each trained model."""
    answers = []
    purchase_model = score_models.get(ScoreModel.Kind.PURCHASE_MODEL)
    if purchase_model and not purchase_model.reason:
        answers.append((pgettext("lifecycle", "Value"), "admin:lifecycle_value", "", describe_value(purchase_model)))
    for score_model in (score_models[kind] for kind in PROPENSITY_KINDS if kind in score_models):
        quality = score_model.figures.get("quality")
        text = describe_prediction(score_model, random_gap=compute_random_gap(quality) if quality else None)
        title = capfirst(str(score_model.get_kind_display()))
        answers.append((title, "admin:lifecycle_predictions", f"prediction={score_model.kind}", text))
    clusters = score_models.get(ScoreModel.Kind.CLUSTERS)
    if clusters and not clusters.reason:
        answers.append((_("Clusters"), "admin:lifecycle_clusters", "", describe_clusters(clusters)))
    return answers
