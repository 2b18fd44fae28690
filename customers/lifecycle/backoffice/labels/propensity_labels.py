"""Propensities for people: what a feature is, what moved a score, and how well it was foretold."""

import math
from collections.abc import Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from customers.lifecycle.backoffice.labels.clv_labels import percent
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.explanations import Reason

FEATURE_NAMES: dict[str, str | Promise] = {
    "recency_days": gettext_lazy("days since the last order"),
    "overdue": gettext_lazy("time since the last order, in their usual gaps"),
    "tenure_days": gettext_lazy("days since the first order"),
    "orders": gettext_lazy("orders"),
    "orders_30": gettext_lazy("orders in the last 30 days"),
    "orders_90": gettext_lazy("orders in the last 90 days"),
    "orders_180": gettext_lazy("orders in the last 180 days"),
    "orders_365": gettext_lazy("orders in the last 365 days"),
    "orders_decayed_7": gettext_lazy("orders, each counting half after 7 days"),
    "orders_decayed_30": gettext_lazy("orders, each counting half after 30 days"),
    "orders_decayed_120": gettext_lazy("orders, each counting half after 120 days"),
    "active_weeks_12": gettext_lazy("weeks with an order among the last 12"),
    "active_months_12": gettext_lazy("months with an order among the last 12"),
    "orders_year_ago": gettext_lazy("orders at this time of last year"),
    "gap_days": gettext_lazy("days between orders"),
    "gap_spread": gettext_lazy("irregularity of the gaps, 1 being pure chance"),
    "last_gap_ratio": gettext_lazy("last gap, in their usual gaps"),
    "weekday_regularity": gettext_lazy("how much they keep to a weekday"),
    "hour_regularity": gettext_lazy("how much they keep to an hour of the day"),
    "orders_trend": gettext_lazy("orders of the last 90 days against the 90 before"),
    "spend_trend": gettext_lazy("spend of the last 90 days against the 90 before"),
    "spend": gettext_lazy("spend in all"),
    "order_value": gettext_lazy("average order value"),
    "last_value": gettext_lazy("value of the last order"),
    "spend_30": gettext_lazy("spend of the last 30 days"),
    "spend_90": gettext_lazy("spend of the last 90 days"),
    "spend_180": gettext_lazy("spend of the last 180 days"),
    "spend_365": gettext_lazy("spend of the last 365 days"),
    "return_share": gettext_lazy("share of returns"),
    "categories": gettext_lazy("categories bought from"),
    "favourite_share": gettext_lazy("share of the favourite category"),
    "buying_probability": gettext_lazy("what the buying process alone says"),
}
FAMILY_NAMES: dict[str, str | Promise] = {
    "recency": pgettext_lazy("reason", "recency"),
    "frequency": pgettext_lazy("reason", "frequency"),
    "season": pgettext_lazy("reason", "season"),
    "tenure": pgettext_lazy("reason", "time as a customer"),
    "rhythm": pgettext_lazy("reason", "rhythm"),
    "trend": pgettext_lazy("reason", "trend"),
    "spend": pgettext_lazy("reason", "spend"),
    "returns": pgettext_lazy("reason", "returns"),
    "breadth": pgettext_lazy("reason", "breadth"),
    "buying": pgettext_lazy("reason", "buying process"),
}
CANDIDATE_NAMES: dict[str, str | Promise] = {
    "rate": gettext_lazy("the share of all"),
    "recency": gettext_lazy("recency alone"),
    "buying": gettext_lazy("the buying process"),
    "tree": gettext_lazy("a decision tree"),
    "logistic": gettext_lazy("logistic regression"),
    "boosting": gettext_lazy("gradient boosting"),
    "forest": gettext_lazy("a random forest"),
    "blend": gettext_lazy("logistic regression and gradient boosting together"),
}
DRIFT_NAMES: dict[str, str | Promise] = {
    "none": pgettext_lazy("drift", "hardly"),
    "slight": pgettext_lazy("drift", "slightly"),
    "large": pgettext_lazy("drift", "much"),
}
SHARES = ("weekday_regularity", "hour_regularity", "return_share", "favourite_share", "buying_probability")
TRENDS = ("orders_trend", "spend_trend")  # logarithms of ratios
FINE = ("overdue", "gap_spread", "last_gap_ratio", "orders_decayed_7", "orders_decayed_30", "orders_decayed_120")


def feature_name(feature: str) -> str:
    return str(FEATURE_NAMES.get(feature, feature))


def reason_text(reason: Reason) -> str:
    """Such as "days since the last order: 14"."""
    return _("%(feature)s: %(value)s") % {
        "feature": feature_name(reason.feature),
        "value": feature_value(reason.feature, reason.value),
    }


def condition_words(condition: Mapping[str, Any]) -> str:
    """Of a rule's condition: such as "days since the last order ≤ 14"."""
    return _("%(feature)s %(operator)s %(value)s") % {
        "feature": feature_name(condition["feature"]),
        "operator": {"<=": "≤", ">": ">"}[condition["operator"]],
        "value": feature_value(condition["feature"], condition["value"]),
    }


def feature_value(feature: str, value: float) -> str:
    if feature in SHARES:
        return percent(value)
    if feature in TRENDS:
        return f"× {number(math.exp(value), 2)}"
    return number(value, 2 if feature in FINE else 1)


def number(value: float, digits: int) -> str:
    """With at most so many digits behind the point, and none for whole ones."""
    shown = round(value, digits)
    return number_format(int(shown) if shown == int(shown) else shown, force_grouping=True)


def fallback_words(card: ScoreModel) -> str:
    """Why something simpler says it, or nothing does; "" where a model has been learnt."""
    if not card.reason:
        return ""
    reason = card.get_reason_display()
    if card.algorithm:
        return _("Too little to learn from: %(reason)s. The buying process alone says it.") % {"reason": reason}
    return _("Too little to learn from: %(reason)s; nor does the buying process know enough.") % {"reason": reason}


def trust_words(card: ScoreModel) -> str:
    """How the serving candidate did on what it had not seen, beside the simple one; why there is none where nothing was learnt."""
    figures: dict[str, Any] = card.figures
    if card.reason or "candidates" not in figures:
        return fallback_words(card)
    judged = {one["name"]: one for one in figures["candidates"]}
    winner, baseline = judged[figures["winner"]], judged[figures["baseline"]]
    told = {
        "name": CANDIDATE_NAMES[winner["name"]],
        "auc": number_format(round(winner["auc"], 3), 3),
        "brier": number_format(round(winner["brier"], 3), 3),
        "baseline": CANDIDATE_NAMES[baseline["name"]],
        "baseline_auc": number_format(round(baseline["auc"], 3), 3),
        "baseline_brier": number_format(round(baseline["brier"], 3), 3),
    }
    if winner["name"] == baseline["name"]:
        return _("Told by %(name)s, which nothing beat: AUC %(auc)s, Brier %(brier)s.") % told
    return (
        _(
            "Told by %(name)s: AUC %(auc)s against %(baseline_auc)s of %(baseline)s, Brier %(brier)s against %(baseline_brier)s."
        )
        % told
    )


def category_words(card: ScoreModel) -> str:
    """How often the likeliest category was right; why there is none or little to learn from."""
    if card.reason:
        return (
            fallback_words(card)
            if not card.algorithm
            else _("Leans on what the shop sells most: %(reason)s.") % {"reason": card.get_reason_display()}
        )
    judged = card.figures.get("judged", {})
    if not judged:
        return ""
    return _(
        "Tried on the last fifth of the time: right for %(share)s of the next orders, the most sold category for %(popular)s."
    ) % {
        "share": percent(judged["history"]["hit_1"]),
        "popular": percent(judged["popularity"]["hit_1"]),
    }
