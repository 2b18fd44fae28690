"""The RFM, Value, Predictions and Clusters pages."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from config.foundation.backoffice.pages import render_page
from customers.lifecycle.backoffice.labels.amount_labels import describe_other_currencies
from customers.lifecycle.backoffice.labels.missing_data import (
    describe_missing_cluster_data,
    describe_missing_propensity_data,
    describe_missing_value_data,
)
from customers.lifecycle.backoffice.panels.clusters_panel import build_clusters_panel
from customers.lifecycle.backoffice.panels.clv_panel import build_clv_panel
from customers.lifecycle.backoffice.panels.propensity_panel import build_propensity_panel
from customers.lifecycle.backoffice.panels.rfm_panel import build_rfm_panel
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.rfm.queries import get_profiles_run

PREDICTION = "prediction"  # URL parameter: a kind of prediction


def render_rfm_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the RFM map, the groups and their changes."""
    return render_score_page(
        request, model_admin, name="rfm", title=_("RFM"), build=lambda: build_rfm_panel(request.GET.dict())
    )


def render_value_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the distribution of the predicted value and the accuracy of its model."""
    return render_score_page(
        request,
        model_admin,
        name="value",
        title=pgettext("lifecycle", "Value"),
        build=build_clv_panel,
        describe_missing=describe_missing_value_data,
    )


def render_predictions_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the prediction that the URL chooses, by default the first one."""
    return render_score_page(
        request,
        model_admin,
        name="propensities",
        title=_("Predictions"),
        build=lambda: choose_prediction(build_propensity_panel(), request.GET.get(PREDICTION, "")),
        describe_missing=describe_missing_propensity_data,
    )


def render_clusters_page(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Render the clusters of similar customers."""
    return render_score_page(
        request,
        model_admin,
        name="clusters",
        title=_("Clusters"),
        build=build_clusters_panel,
        describe_missing=describe_missing_cluster_data,
    )


def render_score_page(
    request: HttpRequest,
    model_admin: ModelAdmin,
    *,
    name: str,
    title: str,
    build: Callable[[], dict[str, Any]],
    describe_missing: Callable[[], str] | None = None,
) -> HttpResponse:
    """Render the page of one panel; without a refresh, what to do first.

    name: of the panel in the template, which is admin/lifecycle/NAME.html. describe_missing: what its model still needs.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    run = get_profiles_run()
    panel = build() if run else {}
    context: dict[str, Any] = {
        "run": run,
        "currency": run.currency if run else "",
        "left_out": describe_other_currencies(run) if run else "",
        "missing": describe_missing() if run and describe_missing is not None else "",
        name: panel,
    }
    return render_page(
        request,
        f"admin/lifecycle/{name}.html",
        title=title,
        verdict=panel.get("verdict", ""),
        as_of=run.as_of if run else None,
        **context,
    )


def choose_prediction(panel: dict[str, Any], chosen: str) -> dict[str, Any]:
    """Return the panel with a tab per prediction, and the chosen one as `target` or `category`."""
    targets = {target["key"]: target for target in panel["targets"]}
    names = {key: target["name"] for key, target in targets.items()}
    if panel["category"]:
        names[ScoreModel.Kind.NEXT_CATEGORY] = ScoreModel.Kind.NEXT_CATEGORY.label
    if chosen not in names:
        chosen = next(iter(names), "")
    target = targets.get(chosen)
    category = panel["category"] if chosen == ScoreModel.Kind.NEXT_CATEGORY else None
    return {
        **panel,
        "tabs": [
            {"label": capfirst(str(name)), "url": f"?{PREDICTION}={key}", "is_current": key == chosen}
            for key, name in names.items()
        ],
        "target": target,
        "category": category,
        "verdict": (target or category or {}).get("verdict", ""),
    }
