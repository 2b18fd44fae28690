"""Versions of the stages' thresholds: measured from the shop's own orders, or set by a person."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max

from customers.lifecycle.facts.histories import microseconds, orders_of, purchases_of, revenue_of
from customers.lifecycle.models import StageRules
from customers.lifecycle.scoring.clv import MbgNbd, fit_process, group_histories, summarise_purchases
from customers.lifecycle.scoring.stages.derivation import AliveRule, Histories, Thresholds
from customers.lifecycle.scoring.stages.order_gaps import GapQuantiles, measure_category_gaps, measure_gaps

# a top fifth needs five customers
FEWEST_FOR_REVENUE = 5

MEASURED_ONLY = ("buying", "category_gaps")
KEPT = ("churned_multiple", "own_gaps_from_orders", "loyal_orders", "loyal_revenue_quantile", "alive_below")


def rules_in_force() -> StageRules | None:
    return StageRules.objects.filter(is_active=True).first()


def thresholds_of(rules: StageRules) -> Thresholds:
    return Thresholds(
        version=rules.version,
        second_gap_days=rules.second_gap_days,
        median_gap_days=rules.median_gap_days,
        active_gap_days=rules.active_gap_days,
        dormant_gap_days=rules.dormant_gap_days,
        churned_multiple=rules.churned_multiple,
        own_gaps_from_orders=rules.own_gaps_from_orders,
        loyal_orders=rules.loyal_orders,
        loyal_revenue=None if rules.loyal_revenue is None else int(rules.loyal_revenue * 100),
        in_force_from=None if rules.in_force_from is None else microseconds(rules.in_force_from),
        alive=alive_rule(rules),
        category_gaps={name: (active, dormant) for name, (active, dormant) in rules.category_gaps.items()},
    )


def alive_rule(rules: StageRules) -> AliveRule | None:
    """None where no buying process is known, or where a person has switched it off by 0."""
    if not rules.buying or rules.alive_below <= 0:
        return None
    told = rules.buying
    return AliveRule(
        r=told["r"],
        alpha=told["alpha"],
        a=told["a"],
        b=told["b"],
        modified=told["model"] == "mbg_nbd",
        least=rules.alive_below,
    )


def all_versions() -> Sequence[Thresholds]:
    return [thresholds_of(rules) for rules in StageRules.objects.order_by("version")]


def measure_rules(*, histories: Histories, as_of: datetime) -> tuple[StageRules, GapQuantiles]:
    """The thresholds that the orders before ``as_of`` suggest, as a new version in force unless they are those already in force.

    The first version tells the whole history, a later one counts from ``as_of`` on. What is no measurement is kept.
    """
    current = rules_in_force()
    quantiles = measure_gaps_of(histories)
    share = (
        current.loyal_revenue_quantile
        if current
        else float(StageRules._meta.get_field("loyal_revenue_quantile").default)
    )
    values: dict[str, Any] = {
        "second_gap_days": quantiles.second_gap_days,
        "median_gap_days": quantiles.median_gap_days,
        "active_gap_days": quantiles.active_gap_days,
        "dormant_gap_days": quantiles.dormant_gap_days,
        "loyal_revenue": _loyal_revenue(histories, share),
        "category_gaps": category_gaps_of(histories),
        "buying": buying_of(histories, as_of),
    }
    if current and all(getattr(current, name) == value for name, value in values.items()):
        return current, quantiles
    if current:
        values |= {name: getattr(current, name) for name in KEPT}
    return put_in_force(measured_at=as_of, in_force_from=as_of if current else None, **values), quantiles


def measure_gaps_of(histories: Histories) -> GapQuantiles:
    rows, at = orders_of(histories)
    return measure_gaps(customer=rows, at=at)


def category_gaps_of(histories: Histories) -> dict[str, list[float]]:
    """Active and dormant gap in days of those top categories that have enough gaps."""
    if histories.category is None:
        return {}
    rows, at = orders_of(histories)
    category = histories.category[histories.is_order]
    found = measure_category_gaps(customer=rows, at=at, category=category, n_categories=len(histories.categories))
    return {
        histories.categories[code]: [quantiles.active_gap_days, quantiles.dormant_gap_days]
        for code, quantiles in found.items()
    }


def buying_of(histories: Histories, as_of: datetime) -> dict[str, Any]:
    """Parameters of an MBG/NBD in days, which knows that somebody of one order may be gone; empty where too little is known."""
    customer, at, value = purchases_of(histories)
    purchases = summarise_purchases(customer=customer, at=at, value=value, as_of=microseconds(as_of))
    fit = fit_process(name=MbgNbd.name, groups=group_histories(histories=purchases))
    if fit.model is None:
        return {}
    told = fit.model.to_dict()
    return {"model": told.pop("name"), **told}


def put_in_force(**values: Any) -> StageRules:
    """A new version; the one before it is kept for the stages it decided. What is measured only and not given stays as it is."""
    with transaction.atomic():
        current = rules_in_force()
        measured = {name: getattr(current, name) for name in MEASURED_ONLY} if current else {}
        values = {**measured, **values}
        latest = StageRules.objects.aggregate(latest=Max("version"))["latest"] or 0
        StageRules.objects.filter(is_active=True).update(is_active=False)
        return StageRules.objects.create(version=latest + 1, is_active=True, **values)


def _loyal_revenue(histories: Histories, share: float) -> Decimal | None:
    rows, _at = orders_of(histories)
    buyers = np.unique(rows)
    if len(buyers) < FEWEST_FOR_REVENUE:
        return None
    amount = round(float(np.quantile(revenue_of(histories)[buyers], share)))
    return Decimal(amount).scaleb(-2) if amount > 0 else None
