"""Explains to a person what is predicted about them, by which model and for which reasons."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.automated_decisions.registry import Decision, DecisionExplainer, Objection, register_explainer
from config.foundation.number_formats import format_whole_money, format_whole_percent
from customers.identity.consent.ledger import find_customers_without_profiling
from customers.lifecycle.portrait.customer_profile import build_customer_profile


def list_predictions(customer_id: int, as_of: datetime, limit: int) -> Sequence[Decision]:
    """Return the stage and the scores of a customer with their reasons; nothing for a customer who has objected to profiling."""
    if find_customers_without_profiling(customer_ids=[customer_id]):
        return []
    profile = build_customer_profile(customer_id=customer_id, as_of=as_of)
    return list(islice(describe_profile(profile), limit)) if profile is not None else []


def describe_profile(profile: dict[str, Any]) -> Iterator[Decision]:
    computed_at, stage = profile["computed_at"], profile["stage"]
    if stage.get("name"):
        reasons = (stage["explanation"],) if stage.get("explanation") else ()
        yield Decision(_("Stage as a customer: %(stage)s") % {"stage": stage["name"]}, computed_at, reasons=reasons)
    for propensity in profile["propensities"]:
        if propensity["probability"] is not None:
            yield describe_propensity(propensity, computed_at)
    orders, order_value = profile["value"]["expected_orders"], profile["value"]["expected_order_value"]
    if orders is not None and order_value is not None:
        # Not the predicted value, which is discounted and has only the shop's margin.
        amount = format_whole_money(orders * float(order_value), profile["currency"])
        yield Decision(
            _("Expected spend of the next 12 months: %(amount)s") % {"amount": amount},
            computed_at,
            reasons=(_("Based on how often, how recently and for how much you have ordered."),),
        )


def describe_propensity(propensity: dict[str, Any], computed_at: datetime) -> Decision:
    trained_at = propensity["trained_at"]
    version = propensity["algorithm"] + (f" {localtime(trained_at):%Y-%m-%d}" if trained_at else "")
    return Decision(
        _("%(prediction)s: %(probability)s")
        % {"prediction": propensity["name"], "probability": format_whole_percent(propensity["probability"])},
        computed_at,
        version.strip(),
        tuple(
            _("%(reason)s (raises it)") % {"reason": reason["text"]}
            if reason["direction"] == "raises"
            else _("%(reason)s (lowers it)") % {"reason": reason["text"]}
            for reason in propensity["reasons"]
        ),
    )


def register_prediction_decisions() -> None:
    """Register what models predict about a customer."""
    register_explainer(
        DecisionExplainer(
            key="predictions",
            label=gettext_lazy("Predictions"),
            logic=gettext_lazy(
                "Models estimate how likely you are to order again and how much you will spend, by comparing you with "
                "customers who have a similar purchase history."
            ),
            data=gettext_lazy("Used: dates and amounts of your orders and returns, and your visits."),
            objection=Objection.PROFILING,
            order=10,
            explain=list_predictions,
        )
    )
