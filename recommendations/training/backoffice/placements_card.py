"""The model card section about placements."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import format_count, format_percent
from recommendations.engine.placements import POPULAR
from recommendations.placement_labels import PLACEMENT_LABELS, get_placement_label
from recommendations.training.backoffice.labels.algorithm_labels import get_algorithm_label, get_metric_label
from recommendations.training.backoffice.labels.decision_labels import get_reason_label
from recommendations.training.evaluation.placement_evaluation import MIN_CUSTOMERS, RANK
from recommendations.training.evaluation.promotion_criteria import make_reason
from recommendations.training.models import EvaluationRun

METRICS = ("ndcg@10", "hit_rate@10", "precision@10")
QUESTION_LABELS: dict[str, str | Promise] = {
    "horizon": gettext_lazy("Purchases after the split, by customers with a history."),
    "next_view": gettext_lazy("From a viewed product to the next product viewed or added to the cart in the same visit."),
    "next_basket_category": gettext_lazy(
        "No views available. From a product in an order to products of the same category in the customer's "
"next order."
    ),
    "one_of_basket": gettext_lazy("From one product in an order to another product in the same order."),
    "rest_beside_product": gettext_lazy("From one product in an order to the other products in the same order."),
    "rest_of_basket": gettext_lazy("From all other products in an order to the held-out product."),
    "again": gettext_lazy("Previously purchased products that customers buy again after the split."),
    "later_purchases": gettext_lazy("All purchases after the split, compared with “For you” as customers see it: with few "
"previously bought products."),
    "next_basket_again": gettext_lazy("All products of the customer's next order, compared with “For you” as customers see it: with "
"few previously bought products."),
    "next_week": gettext_lazy("Purchases in the seven days after each of several dates. All customers get the same list."),
    "rising_next_week": gettext_lazy("Purchases in the seven days after each of several dates, of products that sold more than "
"before in these days. All customers get the same list."),
    "wanted_new": gettext_lazy("Purchases of products published in the last 30 days. All customers get the same list of these "
"products."),
    "next_in_visit": gettext_lazy("The next product in a visit, if the visitor has viewed it before."),
    "next_new_in_visit": gettext_lazy("From the views of a customer's visit to the next product in it that is new to the visit."),
    "next_new_in_any_visit": gettext_lazy("From the views of any visit to the next product in it that is new to the visit."),
    "next_basket": gettext_lazy("Categories of the next order."),
    "popular_reordered": gettext_lazy("The 200 most popular products in a personal order, evaluated on their purchases."),
}  # fmt: skip
# What a customer did in the evaluation, as the object of “the list included …”.
TARGET_LABELS: dict[str, str | Promise] = {
    "horizon": gettext_lazy("a later purchase"),
    "next_view": gettext_lazy("the product viewed next"),
    "next_basket_category": gettext_lazy("a product of the same category in the next order"),
    "rest_beside_product": gettext_lazy("another product of the same order"),
    "rest_of_basket": gettext_lazy("the missing product of the order"),
    "later_purchases": gettext_lazy("a later purchase"),
    "next_basket_again": gettext_lazy("a product of the next order"),
    "rising_next_week": gettext_lazy("a purchase of a product that sold more than before"),
    "next_basket": gettext_lazy("a category of the next order"),
}
COMPARISON_LABELS: dict[str, str | Promise] = {
    "among_purchased": gettext_lazy("among previously bought products only"),
    "without_repeats": gettext_lazy("without previously bought products"),
    "for_you_unrestricted": gettext_lazy("all purchases, compared with “For you” without restrictions"),
}


def build_placements_table(run: EvaluationRun) -> dict[str, Any] | None:
    """Return {"metrics", "rows"}, with a row per placement.

    A row has the weights, the figures of the placement and of its fallback, and whether it is active and why.
    """
    if not run.scenarios:
        return None
    return {
        "metrics": [get_metric_label(metric) for metric in METRICS],
        "rows": [build_placement_row(name, run.scenarios[name]) for name in PLACEMENT_LABELS if name in run.scenarios],
    }


def build_placement_row(name: str, placement: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of one placement."""
    if name == RANK:
        # `rank` orders the products that the shop sends and cannot be switched off; earlier releases stored it as inactive.
        placement = {**placement, "on": True, "why": make_reason("place_factual")}
    figures = placement["figures"]
    return {
        "name": get_placement_label(name),
        "sentence": describe_result(name, placement),
        "visit": describe_visit(placement.get("visit")),
        "on": placement["on"],
        "why": get_reason_label(placement["why"]["code"], placement["why"]["values"]),
        "components": list_weights(placement),
        "question": str(QUESTION_LABELS.get(figures["question"], "")),
        "sample": describe_sample(figures),
        "fallback": get_placement_label(placement["fallback"]) if placement["fallback"] else "",
        "cells": list_cells(figures),
        "comparisons": [
            {"name": get_comparison_label(key), "sample": describe_sample(comparison), "cells": list_cells(comparison)}
            for key, comparison in figures["comparisons"].items()
        ],
    }


def describe_result(name: str, placement: Mapping[str, Any]) -> str:
    """Return one sentence for a merchandiser: what the placement achieves compared with its fallback, and whether it is shown."""
    fallback = get_placement_label(placement["fallback"]) if placement["fallback"] else ""
    shares = compare_hit_rates(placement["figures"])
    if name == POPULAR:
        return _("Shows the best sellers, whenever another placement has nothing to show.")
    if placement["why"]["code"] == "place_factual":
        return _(
            "Shows facts, such as recently viewed products, or the products that your shop sends, so there is nothing to evaluate."
        )
    if not shares:
        return describe_missing_result(placement, fallback)
    target = TARGET_LABELS.get(placement["figures"].get("question", ""), _("what the customer then chose"))
    values = {"fallback": fallback, "target": target, **shares}
    if placement["on"]:
        return (
            _("Is shown: in %(own)s of cases, its list included %(target)s; with “%(fallback)s”, in %(other)s.")
            % values
        )
    return (
        _(
            "Is not shown, because it is not reliably better than “%(fallback)s”: its list would have included %(target)s in %(own)s of "
            "cases instead of %(other)s."
        )
        % values
    )


def describe_missing_result(placement: Mapping[str, Any], fallback: str) -> str:
    """Return the sentence of a placement that has no figures of its own: whether and why it is shown."""
    code, values = placement["why"]["code"], {"fallback": fallback}
    if code == "place_earlier_on":
        return (
            _(
                "Is shown, because the previous version was better than “%(fallback)s”; this time there was no evaluation."
            )
            % values
        )
    if code == "place_earlier_off":
        return (
            _(
                "Is not shown, because the previous version was not better than “%(fallback)s”; this time there was no evaluation."
            )
            % values
        )
    if code == "place_no_time":
        return (
            _(
                "Is not shown, because the training had no time left to find out whether it is better than “%(fallback)s”."
            )
            % values
        )
    if code == "place_not_chosen":
        return (
            _("Is not shown, because it was not better than “%(fallback)s” when its algorithms were chosen.") % values
        )
    if placement["on"]:
        return _("Is shown, but there are no data yet to say whether it is better than “%(fallback)s”.") % values
    return _("Is not shown, because there are no data yet to say whether it is better than “%(fallback)s”.") % values


def describe_visit(visit: Mapping[str, Any] | None) -> str:
    """Return one sentence about the current visit in “For you”; empty if there were too few visits to learn from."""
    if not visit:
        return ""
    shares = compare_hit_rates(visit["figures"])
    if not shares:
        return ""
    return (
        _(
            "During a visit, the ten products included the next product of the visit in %(own)s of cases; if the visit was ignored, in %(other)s."
        )
        % shares
    )


def compare_hit_rates(figures: Mapping[str, Any]) -> dict[str, str]:
    """Return the hit rate of the placement ("own") and of its fallback ("other") as text; {} without figures."""
    hit_rates = figures.get("hit_rate@10")
    if not hit_rates or hit_rates["own"]["value"] is None or figures["people"] < MIN_CUSTOMERS:
        return {}
    return {
        "own": format_percent(hit_rates["own"]["value"], 1),
        "other": format_percent(hit_rates["fallback"]["value"], 1),
    }


def list_cells(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return {"own", "fallback", "difference"} per metric, each with value, low and high.

    Without figures, they are {}.
    """
    return [figures.get(metric) or {} for metric in METRICS]


def describe_sample(figures: Mapping[str, Any]) -> str:
    """Return the number of queries and customers behind a figure."""
    if not figures["queries"]:
        return ""
    customers = ngettext("%(count)s customer", "%(count)s customers", figures["people"]) % {
        "count": format_count(figures["people"])
    }
    if figures["queries"] == figures["people"]:
        return customers
    n = figures["queries"]
    return ngettext("%(n)s query from %(people)s", "%(n)s queries from %(people)s", n) % {
        "n": format_count(n),
        "people": customers,
    }


def list_weights(placement: Mapping[str, Any]) -> list[str]:
    """Return the components with their weights, largest first."""
    weights = sorted(placement["weights"].items(), key=lambda pair: -pair[1])
    return [f"{get_algorithm_label(part)} {share:.2f}" for part, share in weights]


def get_comparison_label(key: str) -> str:
    """Return the label of a further comparison."""
    comparison_type, _colon, timestamp = key.partition(":")
    if comparison_type == "from":
        day = date_format(datetime.fromtimestamp(int(timestamp), UTC), "DATE_FORMAT")
        return _("from %(day)s") % {"day": day}
    return str(COMPARISON_LABELS.get(key, key))
