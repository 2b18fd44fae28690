"""Labels of propensities: features, reasons and accuracy."""

import math
from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from config.foundation.number_formats import format_decimals, format_money, format_whole_percent, join_sentences
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.explanations import PropensityReason
from customers.lifecycle.propensity.levels import PropensityLevel

FEATURE_LABELS: dict[str, str | Promise] = {
    "recency_days": gettext_lazy("days since the last order"),
    "overdue": gettext_lazy("time since the last order ÷ usual gap"),
    "tenure_days": gettext_lazy("days since the first order"),
    "orders": gettext_lazy("orders"),
    "orders_30": gettext_lazy("orders in the last 30 days"),
    "orders_90": gettext_lazy("orders in the last 90 days"),
    "orders_180": gettext_lazy("orders in the last 180 days"),
    "orders_365": gettext_lazy("orders in the last 365 days"),
    "orders_decayed_7": gettext_lazy("orders, half-life 7 days"),
    "orders_decayed_30": gettext_lazy("orders, half-life 30 days"),
    "orders_decayed_120": gettext_lazy("orders, half-life 120 days"),
    "active_weeks_12": gettext_lazy("weeks with an order, last 12 weeks"),
    "active_months_12": gettext_lazy("months with an order, last 12 months"),
    "orders_year_ago": gettext_lazy("orders in the same period last year"),
    "gap_days": gettext_lazy("days between orders"),
    "gap_spread": gettext_lazy("irregularity of gaps (1 = random)"),
    "last_gap_ratio": gettext_lazy("last gap ÷ usual gap"),
    "weekday_regularity": gettext_lazy("weekday regularity"),
    "hour_regularity": gettext_lazy("time-of-day regularity"),
    "orders_trend": gettext_lazy("orders, last 90 days vs. previous 90"),
    "spend_trend": gettext_lazy("spend, last 90 days vs. previous 90"),
    "spend": gettext_lazy("total spend"),
    "order_value": gettext_lazy("average order value before returns"),
    "last_value": gettext_lazy("value of the last order"),
    "spend_30": gettext_lazy("spend in the last 30 days"),
    "spend_90": gettext_lazy("spend in the last 90 days"),
    "spend_180": gettext_lazy("spend in the last 180 days"),
    "spend_365": gettext_lazy("spend in the last 365 days"),
    "return_share": gettext_lazy("return rate"),
    "categories": gettext_lazy("number of categories"),
    "favorite_share": gettext_lazy("share of the favorite category"),
    "purchase_probability": gettext_lazy("probability from the purchase model"),
}
FAMILY_LABELS: dict[str, str | Promise] = {
    "recency": pgettext_lazy("reason", "recency"),
    "frequency": pgettext_lazy("reason", "frequency"),
    "season": pgettext_lazy("reason", "season"),
    "tenure": pgettext_lazy("reason", "time as a customer"),
    "rhythm": pgettext_lazy("reason", "regularity"),
    "trend": pgettext_lazy("reason", "trend"),
    "spend": pgettext_lazy("reason", "spend"),
    "returns": pgettext_lazy("reason", "returns"),
    "breadth": pgettext_lazy("reason", "category breadth"),
    "purchase_model": pgettext_lazy("reason", "purchase model"),
}
CANDIDATE_LABELS: dict[str, str | Promise] = {
    "rate": gettext_lazy("average rate"),
    "recency": gettext_lazy("recency only"),
    "purchase_model": gettext_lazy("purchase model"),
    "tree": gettext_lazy("decision tree"),
    "logistic": gettext_lazy("logistic regression"),
    "boosting": gettext_lazy("gradient boosting"),
    "forest": gettext_lazy("random forest"),
    "ensemble": gettext_lazy("ensemble of logistic regression and gradient boosting"),
}
ADJUSTMENT_LABELS: dict[str, str | Promise] = {
    "none": gettext_lazy("no adjustment"),
    "shift": gettext_lazy("recalibrated level"),
    "platt": gettext_lazy("recalibrated (Platt)"),
    "isotonic": gettext_lazy("recalibrated (isotonic)"),
    "season": gettext_lazy("same season last year"),
}
DRIFT_LABELS: dict[str, str | Promise] = {
    "none": pgettext_lazy("drift", "none"),
    "slight": pgettext_lazy("drift", "moderate"),
    "large": pgettext_lazy("drift", "significant"),
}
SHARE_FEATURES = ("weekday_regularity", "hour_regularity", "return_share", "favorite_share", "purchase_probability")
MONEY_FEATURES = ("spend", "order_value", "last_value", "spend_30", "spend_90", "spend_180", "spend_365")
TREND_FEATURES = ("orders_trend", "spend_trend")  # logarithms of ratios
TWO_DECIMAL_FEATURES = (
    "overdue",
    "gap_spread",
    "last_gap_ratio",
    "orders_decayed_7",
    "orders_decayed_30",
    "orders_decayed_120",
)


def get_feature_label(feature: str) -> str:
    return str(FEATURE_LABELS.get(feature, feature))


def format_reason(reason: PropensityReason, *, currency: str) -> str:
    """Return a reason as text, such as "days since the last order: 14"."""
    return _("%(feature)s: %(value)s") % {
        "feature": get_feature_label(reason.feature),
        "value": format_feature_value(reason.feature, reason.value, currency=currency),
    }


def format_condition(condition: Mapping[str, Any], *, currency: str) -> str:
    """Return a rule's condition as text, such as "days since the last order ≤ 14"."""
    return _("%(feature)s %(operator)s %(value)s") % {
        "feature": get_feature_label(condition["feature"]),
        "operator": {"<=": "≤", ">": ">"}[condition["operator"]],
        "value": format_feature_value(condition["feature"], condition["value"], currency=currency),
    }


def format_feature_value(feature: str, value: float, *, currency: str) -> str:
    if feature in MONEY_FEATURES:
        return format_money(value, currency)
    if feature in SHARE_FEATURES:
        return format_whole_percent(value)
    if feature in TREND_FEATURES:
        return f"× {format_number(math.exp(value), 2)}"
    return format_number(value, 2 if feature in TWO_DECIMAL_FEATURES else 1)


def format_number(value: float, digits: int) -> str:
    """Return a number with at most `digits` decimals, and none for whole numbers."""
    rounded = round(value, digits)
    return number_format(int(rounded) if rounded == int(rounded) else rounded, force_grouping=True)


def describe_fallback(score_model: ScoreModel) -> str:
    """Return why there is no trained model; "" if there is one."""
    if not score_model.reason:
        return ""
    reason = str(score_model.get_reason_display())
    if score_model.reason in (ScoreModel.Reason.FEW_POSITIVES, ScoreModel.Reason.FEW_NEGATIVES):
        reason = _("it needs at least 50 customers who ordered again and 50 who did not")
    if score_model.algorithm:
        return _("Not enough data to train a model: %(reason)s. The purchase model is used as a fallback.") % {
            "reason": reason
        }
    return _(
        "Not enough data to train a model: %(reason)s. There is not enough data for the purchase model either."
    ) % {"reason": reason}


def describe_propensity_accuracy(score_model: ScoreModel) -> str:
    """Return the accuracy of the probabilities in use and of the purchase model on the same customers, or why there is none.

    It is not that of the comparison of candidates, which calibrates them on the dates at which they are compared; the probabilities in
    use were calibrated on earlier dates, or not at all.
    """
    figures: dict[str, Any] = score_model.figures
    quality = figures.get("quality")
    if score_model.reason or not quality:
        return describe_fallback(score_model)
    level = figures.get("level") or {}
    texts = {
        "name": CANDIDATE_LABELS[figures["winner"]],
        "adjustment": ADJUSTMENT_LABELS[level.get("adjustment", "none")],
        "customers": number_format(quality["customers"], force_grouping=True),
        "auc": format_decimals(quality["auc"], 3),
        "brier": format_decimals(quality["brier"], 3),
    }
    later = _(
        "Model: %(name)s (%(adjustment)s). On %(customers)s customers of a later date: AUC %(auc)s, Brier score %(brier)s."
    )
    held_out = _(
        "Model: %(name)s (%(adjustment)s). On %(customers)s held-out customers: AUC %(auc)s, Brier score %(brier)s."
    )
    text = later if level.get("periods") else held_out
    return join_sentences([text % texts, _describe_purchase_model(figures)])


def _describe_purchase_model(figures: Mapping[str, Any]) -> str:
    """Return the Brier score of the purchase model on the customers of the same date; "" if it is the model in use or was not compared."""
    options = (figures.get("level") or {}).get("options", [])
    briers = [
        option["brier"][0]
        for option in options
        if (option["candidate"], option["adjustment"]) == ("purchase_model", "none") and not option["serves"]
    ]
    if not briers or briers[0] is None:
        return ""
    return _("Purchase model without adjustment: %(brier)s.") % {"brier": format_decimals(briers[0], 3)}


def describe_choice(score_model: ScoreModel) -> str:
    """Return why the training chose the model in use; "" without a trained model."""
    figures: dict[str, Any] = score_model.figures
    texts = {
        "best_candidate": _("%(name)s was significantly better than the baseline, so it is used."),
        "baseline_not_beaten": _("No model was significantly better than the baseline, so the baseline is used."),
        "purchase_model_later": _(
            "%(compared)s was the best model in the comparison, but the purchase model was more accurate on the latest "
            "dates, so the purchase model is used."
        ),
    }
    text = texts.get(figures.get("why", ""), "")
    names = {"name": figures.get("winner"), "compared": figures.get("compared_winner")}
    labels = {key: capfirst(str(CANDIDATE_LABELS[name])) for key, name in names.items() if name in CANDIDATE_LABELS}
    return text % {"name": "–", "compared": "–", **labels} if text else ""


def describe_interval(low: float, high: float) -> str:
    """Return the interval of a probability; "" if both ends are the same whole percentage."""
    if format_whole_percent(low) == format_whole_percent(high):
        return ""
    return _("80%% interval: %(low)s to %(high)s") % {
        "low": format_whole_percent(low),
        "high": format_whole_percent(high),
    }


def describe_difference(level: PropensityLevel) -> str:
    """Return how far predicted and actual rates differed on earlier dates, the basis of the interval; "" without such dates."""
    if level.difference is None:
        return ""
    return ngettext(
        "On %(cutoffs)s earlier date, the predicted and the actual rate differed by %(points)s percentage points.",
        "On %(cutoffs)s earlier dates, predicted and actual rates differed by at most %(points)s percentage points.",
        level.cutoffs,
    ) % {"cutoffs": number_format(level.cutoffs), "points": format_decimals(100 * level.difference, 1)}


def describe_level(level: PropensityLevel) -> str:
    """Return why the level is not known, and that the interval is wider for this reason; "" if it is known."""
    if not level.reason:
        return ""
    if level.reason == "few_periods" or level.low is None or level.high is None:
        return _(
            "The overall level is uncertain because the history is too short to compare predictions with the actual rates "
            "of two later periods. The interval is wider for this reason."
        )
    return _(
        "The overall level varies between %(low)s and %(high)s, the actual rates on %(cutoffs)s earlier dates. The "
        "interval is wider for this reason."
    ) % {
        "low": format_whole_percent(level.low),
        "high": format_whole_percent(level.high),
        "cutoffs": number_format(level.cutoffs),
    }


def describe_category_accuracy(score_model: ScoreModel) -> str:
    """Return how often the most likely category was correct, or why this is unknown."""
    if score_model.reason:
        return (
            describe_fallback(score_model)
            if not score_model.algorithm
            else _("Based mainly on the best-selling categories: %(reason)s.")
            % {"reason": score_model.get_reason_display()}
        )
    metrics = score_model.figures.get("judged", {})
    if not metrics:
        return ""
    return _(
        "In a test on the last fifth of the history, the category was right for %(share)s of next orders. Always "
        "predicting the best-selling category was right for %(popular)s."
    ) % {
        "share": format_whole_percent(metrics["history"]["hit_1"]),
        "popular": format_whole_percent(metrics["popularity"]["hit_1"]),
    }
