"""Labels of the predicted value and the accuracy of its model."""

from typing import Any, Literal

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_whole_percent
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import ScoreModelsByKind
from customers.lifecycle.scoring.clv.prediction.interval_calibration import LEVEL

PURCHASE_MODEL_LABELS = {
    "bg_nbd": "BG/NBD",
    "mbg_nbd": "MBG/NBD",
    "pareto_nbd": "Pareto/NBD",
    "gamma_gamma": "Gamma-Gamma",
}


def describe_value(value: dict[str, Any], score_models: ScoreModelsByKind) -> dict[str, str]:
    """Return the labels of a profile's value.

    They show its probabilities as percentages, the probability of the spend interval if it is not 80 %, how often such intervals
    contained the actual value, and the model's accuracy.
    """
    score_model = score_models.get(ScoreModel.Kind.PURCHASE_MODEL)
    return {
        "p_alive": format_whole_percent(value["p_alive"]),
        "probability": describe_probability(value["interval_probability"]),
        "accuracy": describe_accuracy(score_model) if score_model and value["p_alive"] is not None else "",
        "orders_held": describe_held(value["interval_held"], "orders"),
        "spend_held": describe_held(value["interval_held"], "spend"),
    }


def describe_probability(probability: float | None) -> str:
    """Return the probability of an interval if it is not 80 %, as for 0 to 0 of a customer who probably buys nothing; else ""."""
    text = format_whole_percent(probability)
    return "" if text == format_whole_percent(LEVEL) else text


def describe_accuracy(score_model: ScoreModel) -> str:
    """Return the accuracy of the purchase model on held-out orders, or why it is unknown."""
    held_out = score_model.figures.get("held_out", {}).get(score_model.algorithm)
    if held_out is None:
        return _("The accuracy is unknown because the order history is too short to hold out a test period.")
    if not held_out["total_ratio"]:
        return _("The accuracy is unknown because no customer ordered in the test period.")
    return _("In a test on the last %(days)s days, actual orders were %(ratio)s of those that %(name)s predicted.") % {
        "days": number_format(score_model.figures["days"], force_grouping=True),
        "name": PURCHASE_MODEL_LABELS.get(score_model.algorithm, score_model.algorithm),
        "ratio": format_whole_percent(1 / held_out["total_ratio"]),
    }


def describe_held(held: dict[str, Any] | None, quantity: Literal["orders", "spend"]) -> str:
    """Return how often 80 % intervals contained the actual orders or spend, or that this is not tested yet; "" without figures for it."""
    if held is None:
        return _("The intervals are not tested yet. A test needs about three months of orders.")
    if held[quantity] is None:
        return ""
    text = (
        _("In a test on the last %(days)s days, 80%% intervals contained the actual orders of %(share)s of customers.")
        if quantity == "orders"
        else _(
            "In a test on the last %(days)s days, 80%% intervals contained the actual spend of %(share)s of customers."
        )
    )
    return text % {
        "days": number_format(held["days"], force_grouping=True),
        "share": format_whole_percent(held[quantity]),
    }
