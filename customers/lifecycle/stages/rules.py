"""Versions of the stage rules: measured from the shop's orders or entered by a user."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max

from customers.lifecycle.facts.histories import select_orders, select_purchases, sum_revenue, to_microseconds
from customers.lifecycle.models import StageRules
from customers.lifecycle.scoring.clv.fitting import fit_purchase_model
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.purchase_histories import group_histories, summarize_purchases
from customers.lifecycle.scoring.stages.derivation import AliveRule, OrderHistories, StageThresholds
from customers.lifecycle.scoring.stages.order_gaps import GapQuantiles, measure_category_gaps, measure_gaps

MIN_BUYERS_FOR_QUANTILE = 5  # with fewer there is no top fifth

MEASURED_FIELDS = ("purchase_model", "category_gaps")
CARRIED_OVER_FIELDS = (
    "churned_multiple",
    "own_gaps_from_orders",
    "loyal_orders",
    "loyal_revenue_quantile",
    "min_p_alive",
)


def get_active_rules() -> StageRules | None:
    return StageRules.objects.filter(is_active=True).first()


def to_thresholds(rules: StageRules) -> StageThresholds:
    return StageThresholds(
        version=rules.version,
        second_gap_days=rules.second_gap_days,
        median_gap_days=rules.median_gap_days,
        active_gap_days=rules.active_gap_days,
        dormant_gap_days=rules.dormant_gap_days,
        churned_multiple=rules.churned_multiple,
        own_gaps_from_orders=rules.own_gaps_from_orders,
        loyal_orders=rules.loyal_orders,
        loyal_revenue=None if rules.loyal_revenue is None else int(rules.loyal_revenue * 100),
        effective_from=None if rules.effective_from is None else to_microseconds(rules.effective_from),
        alive=to_alive_rule(rules),
        category_gaps={name: (active, dormant) for name, (active, dormant) in rules.category_gaps.items()},
    )


def to_alive_rule(rules: StageRules) -> AliveRule | None:
    """Return the rule on the probability active.

    Return None without a purchase model, or if 0 switches it off.
    """
    if not rules.purchase_model or rules.min_p_alive <= 0:
        return None
    parameters = rules.purchase_model
    return AliveRule(
        r=parameters["r"],
        alpha=parameters["alpha"],
        a=parameters["a"],
        b=parameters["b"],
        modified=parameters["model"] == "mbg_nbd",
        min_alive=rules.min_p_alive,
    )


def list_threshold_versions() -> Sequence[StageThresholds]:
    return [to_thresholds(rules) for rules in StageRules.objects.order_by("version")]


def measure_rules(*, histories: OrderHistories, as_of: datetime) -> tuple[StageRules, GapQuantiles]:
    """Measure the thresholds from orders and activate them unless they are unchanged.

    Only orders before ``as_of`` count.
    The first version applies to the whole history, later ones from ``as_of`` on. Values that are not measured are kept.
    """
    current = get_active_rules()
    quantiles = measure_shop_gaps(histories)
    quantile = (
        current.loyal_revenue_quantile
        if current
        else float(StageRules._meta.get_field("loyal_revenue_quantile").default)
    )
    values: dict[str, Any] = {
        "second_gap_days": quantiles.second_gap_days,
        "median_gap_days": quantiles.median_gap_days,
        "active_gap_days": quantiles.active_gap_days,
        "dormant_gap_days": quantiles.dormant_gap_days,
        "loyal_revenue": _measure_loyal_revenue(histories, quantile),
        "category_gaps": measure_gaps_by_category(histories),
        "purchase_model": fit_purchase_parameters(histories, as_of),
    }
    if current and all(getattr(current, name) == value for name, value in values.items()):
        return current, quantiles
    if current:
        values |= {name: getattr(current, name) for name in CARRIED_OVER_FIELDS}
    return activate_rules(measured_at=as_of, effective_from=as_of if current else None, **values), quantiles


def measure_shop_gaps(histories: OrderHistories) -> GapQuantiles:
    rows, at = select_orders(histories)
    return measure_gaps(customer=rows, at=at)


def measure_gaps_by_category(histories: OrderHistories) -> dict[str, list[float]]:
    """Return the active and the dormant gap in days of top-level categories with enough gaps."""
    if histories.category is None:
        return {}
    rows, at = select_orders(histories)
    category = histories.category[histories.is_order]
    quantiles_by_code = measure_category_gaps(
        customer=rows, at=at, category=category, n_categories=len(histories.categories)
    )
    return {
        histories.categories[code]: [quantiles.active_gap_days, quantiles.dormant_gap_days]
        for code, quantiles in quantiles_by_code.items()
    }


def fit_purchase_parameters(histories: OrderHistories, as_of: datetime) -> dict[str, Any]:
    """Return the parameters of an MBG/NBD model in days; {} without enough data.

    Unlike BG/NBD, it lets one-time buyers become inactive.
    """
    customer, at, value = select_purchases(histories)
    purchases = summarize_purchases(customer=customer, at=at, value=value, as_of=to_microseconds(as_of))
    fit = fit_purchase_model(name=MbgNbd.name, groups=group_histories(histories=purchases))
    if fit.model is None:
        return {}
    parameters = fit.model.to_dict()
    return {"model": parameters.pop("name"), **parameters}


def activate_rules(**values: Any) -> StageRules:
    """Store and activate a new version.

    Measured values that are missing are copied from the active one.
    Old versions stay, because stage changes refer to them.
    """
    with transaction.atomic():
        current = get_active_rules()
        measured = {name: getattr(current, name) for name in MEASURED_FIELDS} if current else {}
        values = {**measured, **values}
        latest = StageRules.objects.aggregate(latest=Max("version"))["latest"] or 0
        # Deactivated first, because a constraint allows one active version.
        StageRules.objects.filter(is_active=True).update(is_active=False)
        return StageRules.objects.create(version=latest + 1, is_active=True, **values)


def _measure_loyal_revenue(histories: OrderHistories, share: float) -> Decimal | None:
    rows, _at = select_orders(histories)
    buyers = np.unique(rows)
    if len(buyers) < MIN_BUYERS_FOR_QUANTILE:
        return None
    amount = round(float(np.quantile(sum_revenue(histories)[buyers], share)))
    return Decimal(amount).scaleb(-2) if amount > 0 else None
