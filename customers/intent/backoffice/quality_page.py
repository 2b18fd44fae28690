"""The page Behavior prediction: how good the predictions for sessions are, and what moves them."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.charts import build_calibration_chart
from config.foundation.charts.spec import ChartSpec
from config.foundation.number_formats import format_count, format_decimals, format_whole_percent
from customers.intent.backoffice.texts import (
    ALGORITHMS,
    describe_calibration,
    describe_effect,
    describe_error,
    describe_fallback,
    describe_problem,
    describe_verdict,
)
from customers.intent.models import IntentRun
from customers.intent.prediction.outcome_model import FEW_OUTCOMES, NOT_BETTER
from customers.intent.training import find_latest_run, find_run_of_model, is_model_old

VIEW = "intent.view_intentrun"


def show_quality(request: HttpRequest) -> HttpResponse:
    """Show the accuracy of the served predictions."""
    check_permissions(request, VIEW)
    latest, run = find_latest_run(), find_run_of_model()
    problem = describe_problem(latest) if run is None else ""
    context: dict[str, Any] = {"problem": problem}
    if run is not None:
        context |= {
            "outcomes": [
                describe_outcome("order", _("Will the visitor order?"), run.quality.get("order", {})),
                describe_outcome("leave", _("Will the visitor leave?"), run.quality.get("leave", {})),
            ],
            "category": describe_category(run.quality.get("category", {})),
            "sessions": format_count(run.sessions),
            "since": run.since,
            "warning": describe_age(run, latest),
        }
    return render_page(
        request,
        "admin/intent/quality.html",
        title=_("Behavior prediction"),
        verdict=describe_verdict(run) if run is not None else "",
        as_of=run.as_of if run is not None else None,
        **context,
    )


def describe_age(run: IntentRun, latest: IntentRun | None) -> str:
    """Return why an older model is still in use; empty if the last training has succeeded."""
    if latest is not None and latest.pk != run.pk and latest.problem:
        return _("The last training produced no model, so an earlier model is used. %(problem)s") % {
            "problem": describe_problem(latest)
        }
    if is_model_old(run, now=timezone.now()):
        return _("The last successful training was several days ago. Check the job under Settings › Jobs.")
    return ""


def describe_outcome(name: str, title: str, quality: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the card of a question shows."""
    reason = FEW_OUTCOMES if "auc" not in quality else "" if quality["effects"] else NOT_BETTER
    card: dict[str, Any] = {"name": name, "title": title, "fallback": describe_fallback(reason)}
    if "auc" not in quality:
        return card
    return card | {
        "error": describe_error(quality),
        "average": describe_calibration(quality),
        "algorithm": ALGORITHMS.get(quality["algorithm"], quality["algorithm"]),
        "auc": format_decimals(quality["auc"], 2),
        "last_auc": format_decimals(quality["last_auc"], 2),
        "brier": format_decimals(quality["brier"], 4),
        "rate_brier": format_decimals(quality["rate_brier"], 4),
        "last_brier": format_decimals(quality["last_brier"], 4),
        "sessions": format_count(quality["sessions"]),
        "cuts": format_count(quality["cuts"]),
        "chart": build_chart(name, quality),
        "effects": [describe_effect(effect["feature"], raises=effect["raises"]) for effect in quality["effects"]],
    }


def build_chart(name: str, quality: Mapping[str, Any]) -> ChartSpec:
    """Return the calibration chart: predicted and actual percentages in ten equal parts."""
    curve = {
        part: [round(100 * value, 1) for value in values]
        for part, values in quality["curve"].items()
        if part != "customers"
    }
    return build_calibration_chart(
        predicted=curve["predicted"],
        actual=curve["actual"],
        low=curve["low"],
        high=curve["high"],
        customers=quality["curve"]["customers"],
        x_title=_("Predicted (%)"),
        y_title=_("Actual (%)"),
        diagonal_name=_("perfect calibration"),
        count_title=_("Moments"),
    )


def describe_category(quality: Mapping[str, Any]) -> dict[str, str]:
    """Return how often the next category was predicted; empty without categories."""
    if not quality:
        return {}
    shares = {name: format_whole_percent(quality[name]) for name in ("accuracy", "hit_3", "last", "popular")}
    return shares | {"steps": format_count(quality["steps"])}
