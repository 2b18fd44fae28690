"""Customers by predicted value, probability or cluster."""

from collections.abc import Mapping
from dataclasses import replace

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_exact_percent, format_money
from customers.lifecycle.backoffice.drilldowns.drilldown import (
    MAX_AMOUNT,
    Drilldown,
    DrilldownError,
    make_comparison,
    make_condition,
    make_range_drilldown,
    parse_amounts,
)
from customers.lifecycle.backoffice.labels.cluster_labels import get_cluster_names
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import CustomerProfile, ScoreModel
from customers.lifecycle.propensity.models import PROPENSITY_KINDS
from customers.lifecycle.refresh.score_models import load_latest_score_models


def parse_value_range(parameters: Mapping[str, str]) -> Drilldown:
    """Parse a range of values from `low` to `high` (inclusive) or `below` (exclusive)."""
    amounts = parse_amounts(parameters)
    if not amounts or not all(abs(amount) < MAX_AMOUNT for amount in amounts.values()):
        raise DrilldownError([_("Amounts must be numbers, such as 12.50.")])
    currency = get_amount_currency()
    return make_range_drilldown(
        "value",
        amounts,
        parameters={"figure": "value"},
        title=_("Predicted value, next 12 months"),
        format_bound=lambda amount: format_money(amount, currency),
    )


def parse_probability_range(parameters: Mapping[str, str]) -> Drilldown:
    """Parse a range of probabilities of churn or of a purchase.

    The bounds are those of `parse_value_range`.
    """
    kind, bounds = parameters.get("kind", ""), parse_amounts(parameters)
    if kind not in PROPENSITY_KINDS or not bounds or not all(0 <= bound <= 1 for bound in bounds.values()):
        raise DrilldownError([_("The link has no valid probability. Choose a bar on the Lifecycle page.")])
    title = capfirst(str(ScoreModel.Kind(kind).label))
    drilldown = make_range_drilldown(
        kind, bounds, parameters={"figure": "probability", "kind": kind}, title=title, format_bound=format_exact_percent
    )
    return replace(drilldown, period={"prediction": kind})


def parse_cluster(parameters: Mapping[str, str]) -> Drilldown:
    number = parameters.get("cluster", "")
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise DrilldownError([_("The link has no valid cluster. Choose one on the Lifecycle page.")])
    score_model = load_latest_score_models().get(ScoreModel.Kind.CLUSTERS)
    name = get_cluster_names(score_model).get(int(number), "") if score_model else ""
    return Drilldown(
        title=_("Cluster %(number)s") % {"number": int(number)},
        note=name,
        customers=CustomerProfile.objects.filter(cluster=int(number)),
        parameters={"figure": "cluster", "cluster": number},
        condition=make_condition(make_comparison("cluster", "eq", int(number))),
    )
