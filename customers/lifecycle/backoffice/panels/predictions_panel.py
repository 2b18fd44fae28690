"""The predictions on the customer page."""

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import format_whole_percent
from customers.lifecycle.backoffice.labels.propensity_labels import (
    describe_category_accuracy,
    describe_interval,
    describe_propensity_accuracy,
)
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import ScoreModelsByKind


def build_predictions_panel(profile: dict[str, Any], score_models: ScoreModelsByKind) -> list[dict[str, Any]]:
    """Return a row per propensity and one for the next category.

    A row has probability, meaning, interval, level, reasons and accuracy.
    """
    rows = [
        {
            "name": propensity["name"],
            "share": format_whole_percent(propensity["probability"]) or "–",
            "meaning": describe_target(propensity["key"], propensity["horizon_days"]),
            "interval": describe_interval(propensity["low"], propensity["high"])
            if propensity["low"] is not None
            else "",
            "level": propensity["level"]["reason_name"] if propensity["level"] else "",
            "reasons": propensity["reasons"],
            "accuracy": describe_propensity_accuracy(score_models[propensity["key"]])
            if propensity["probability"] is not None
            else propensity["reason_name"],
        }
        for propensity in profile["propensities"]
    ]
    category, score_model = profile["next_category"], score_models.get(ScoreModel.Kind.NEXT_CATEGORY)
    has_prediction = bool(category["name"]) and score_model is not None
    rows.append(
        {
            "name": str(ScoreModel.Kind.NEXT_CATEGORY.label),
            "share": format_whole_percent(category["probability"]) or "–",
            "meaning": category["name"],
            "interval": "",
            "level": "",
            "reasons": [],
            "accuracy": describe_category_accuracy(score_model)
            if has_prediction and score_model
            else category["reason_name"],
        }
    )
    return rows


def describe_target(key: str, days: int | None) -> str:
    if days is None:
        return ""
    if key == ScoreModel.Kind.CHURN:
        text = ngettext("no order within %(days)s day", "no order within %(days)s days", days)
    else:
        text = _("at least one order")
    return text % {"days": number_format(days)}
