"""What the model card says of each place of the shop."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from recommendations.placement_labels import PLACE_NAMES, place_name
from recommendations.training.backoffice.labels.algorithm_labels import algorithm_name, metric_name
from recommendations.training.backoffice.labels.decision_labels import worded
from recommendations.training.models import EvaluationRun

METRICS = ("ndcg@10", "hit_rate@10", "precision@10")
QUESTIONS: dict[str, str | Promise] = {
    "horizon": gettext_lazy("What customers with a history buy after the cut."),
    "next_view": gettext_lazy("From a product that is viewed to the next other one that is viewed or put into the basket in the same visit."),
    "next_basket_category": gettext_lazy(
        "There are no views: from a product of a basket to others of its category in the customer's next basket."
    ),
    "one_of_basket": gettext_lazy("From one product of a basket to another one of it."),
    "rest_of_basket": gettext_lazy("From all other products of a basket to the one that was taken out of it."),
    "again": gettext_lazy("Which of the products that customers had bought they buy again after the cut."),
    "next_week": gettext_lazy("What customers buy in the seven days after a moment, the same list for all, at several moments."),
    "wanted_new": gettext_lazy("Which products customers buy that were 30 days old at most, the same list for all, among these alone."),
    "next_in_visit": gettext_lazy("Whether the next product in a visit is one that the visitor had viewed before."),
    "next_basket": gettext_lazy("The categories of the next basket."),
    "popular_reordered": gettext_lazy("The 200 most popular products in the customer's order, by what they buy of them."),
}  # fmt: skip
BESIDE: dict[str, str | Promise] = {
    "without_repeats": gettext_lazy("without what the customer had bought before"),
    "for_you_unrestricted": gettext_lazy("by all that is bought, against the whole of “For you”"),
}


def places_table(run: EvaluationRun) -> dict[str, Any] | None:
    """{"metrics", "rows"}: each place with what it is made of, its figures and those of what takes over, on or off and why."""
    if not run.scenarios:
        return None
    return {
        "metrics": [metric_name(metric) for metric in METRICS],
        "rows": [place_row(name, run.scenarios[name]) for name in PLACE_NAMES if name in run.scenarios],
    }


def place_row(name: str, told: Mapping[str, Any]) -> dict[str, Any]:
    figures = told["figures"]
    return {
        "name": place_name(name),
        "on": told["on"],
        "why": worded(told["why"]["code"], told["why"]["values"]),
        "made": made_of(told),
        "asked": str(QUESTIONS.get(figures["asked"], "")),
        "judged": judged_in_words(figures),
        "fallback": place_name(told["fallback"]) if told["fallback"] else "",
        "cells": cells_of(figures),
        "beside": [
            {"name": beside_name(key), "judged": judged_in_words(found), "cells": cells_of(found)}
            for key, found in figures["beside"].items()
        ],
    }


def cells_of(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One a metric: {"own", "fallback", "difference"}, each with value, low and high; empty where there are none."""
    return [figures.get(metric) or {} for metric in METRICS]


def judged_in_words(figures: Mapping[str, Any]) -> str:
    if not figures["judged"]:
        return ""
    people = ngettext("%(n)d customer", "%(n)d customers", figures["people"]) % {"n": figures["people"]}
    if figures["judged"] == figures["people"]:
        return people
    n = figures["judged"]
    return ngettext("%(n)d question of %(people)s", "%(n)d questions of %(people)s", n) % {"n": n, "people": people}


def made_of(told: Mapping[str, Any]) -> list[str]:
    weights = sorted(told["weights"].items(), key=lambda pair: -pair[1])
    return [f"{algorithm_name(part)} {share:.2f}" for part, share in weights]


def beside_name(key: str) -> str:
    kind, _colon, moment = key.partition(":")
    if kind == "from":
        day = date_format(datetime.fromtimestamp(int(moment), UTC), "DATE_FORMAT")
        return _("from %(day)s") % {"day": day}
    return str(BESIDE.get(key, key))
