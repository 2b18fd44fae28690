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
from customers.lifecycle.backoffice.labels.verdicts import is_unreliable
from customers.lifecycle.backoffice.panels.propensity_panel import compute_random_gap
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import ScoreModelsByKind


def build_predictions_panel(profile: dict[str, Any], score_models: ScoreModelsByKind) -> list[dict[str, Any]]:
    """Return a row per propensity and one for the next category.

    A row has probability, meaning, interval, level, reasons and accuracy.
    """
    rows = [
        {
            "key": propensity["key"],
            "name": propensity["name"],
            "share": format_whole_percent(propensity["probability"]) or "–",
            "meaning": describe_target(propensity["key"], propensity["horizon_days"]),
            "interval": describe_interval(propensity["low"], propensity["high"])
            if propensity["low"] is not None
            else "",
            "is_unreliable": propensity["probability"] is not None
            and is_prediction_unreliable(score_models[propensity["key"]]),
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
            "is_unreliable": False,
            "level": "",
            "reasons": [],
            "accuracy": describe_category_accuracy(score_model)
            if has_prediction and score_model
            else category["reason_name"],
        }
    )
    return rows


def is_prediction_unreliable(score_model: ScoreModel) -> bool:
    """Return whether the Predictions page says that predictions of this kind are not reliable."""
    quality = score_model.figures.get("quality")
    return is_unreliable(score_model, random_gap=compute_random_gap(quality) if quality else None)


def describe_target(key: str, days: int | None) -> str:
    if days is None:
        return ""
    if key == ScoreModel.Kind.CHURN:
        text = ngettext("no order within %(days)s day", "no order within %(days)s days", days)
    else:
        text = _("at least one order")
    return text % {"days": number_format(days)}
