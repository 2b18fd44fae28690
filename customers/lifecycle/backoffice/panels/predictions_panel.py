"""The part of a customer's page about what comes next."""

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.lifecycle.backoffice.labels.clv_labels import percent
from customers.lifecycle.backoffice.labels.propensity_labels import category_words, trust_words
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import Cards


def coming_section(told: dict[str, Any], cards: Cards) -> list[dict[str, Any]]:
    """Rows of what a portrait says of propensities and the next category: share, what it means, reasons, how good it is.

    cards: of the newest refresh.
    """
    rows = [
        {
            "name": one["name"],
            "share": percent(one["probability"]) or "–",
            "means": meaning(one["key"], one["horizon_days"]),
            "reasons": one["reasons"],
            "trust": trust_words(cards[one["key"]]) if one["probability"] is not None else one["reason_name"],
        }
        for one in told["propensities"]
    ]
    category, card = told["next_category"], cards.get(ScoreModel.Kind.NEXT_CATEGORY)
    found = bool(category["name"]) and card is not None
    rows.append(
        {
            "name": str(ScoreModel.Kind.NEXT_CATEGORY.label),
            "share": percent(category["probability"]) or "–",
            "means": category["name"],
            "reasons": [],
            "trust": category_words(card) if found and card else category["reason_name"],
        }
    )
    return rows


def meaning(key: str, days: int | None) -> str:
    if days is None:
        return ""
    if key == ScoreModel.Kind.CHURN:
        text = ngettext("no order within %(days)s day", "no order within %(days)s days", days)
    else:
        text = _("at least one order")
    return text % {"days": number_format(days)}
