"""Versions of the stage rules: measured from the shop's orders or entered by a user."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max

from config.foundation.shop.profile import get_time_zone_name
from customers.lifecycle.facts.histories import select_orders, select_purchases, to_microseconds
from customers.lifecycle.models import StageRules
from customers.lifecycle.scoring.clv.fitting import fit_purchase_model
from customers.lifecycle.scoring.clv.models.mbg_nbd import MbgNbd
from customers.lifecycle.scoring.clv.purchase_histories import group_histories, summarize_purchases
from customers.lifecycle.scoring.stages.derivation import AliveRule, GapRule, OrderHistories, StageThresholds
from customers.lifecycle.scoring.stages.gap_distribution import (
    DEFAULT_DISTRIBUTION,
    GapDistribution,
    fit_gap_distribution,
    measure_order_gap,
)
from customers.lifecycle.scoring.stages.order_gaps import DAY, GapQuantiles, measure_category_gaps, measure_gaps

YEAR = 365 * DAY
MIN_GUARD_DAYS, MAX_GUARD_DAYS = 7.0, 365.0  # the limits of the churn horizon, see `labels.derive_churn_target`
MIN_BUYERS_FOR_QUANTILE = 5  # with fewer there is no top fifth

MEASURED_FIELDS = ("purchase_model", "category_gaps", "gap_distribution", "time_zone")
LEVELS = ("at_risk", "dormant", "churned")
CARRIED_OVER_FIELDS = (
    *(f"{level}_{part}" for level in LEVELS for part in ("alarms", "share", "days")),
    "guard_alive",
    "guard_churn",
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
        gap_rule=to_gap_rule(rules) if rules.method == StageRules.Method.FALSE_ALARMS else None,
        order_gap_days=rules.order_gap_days,
    )


def to_gap_rule(rules: StageRules) -> GapRule:
    distribution = GapDistribution(**rules.gap_distribution) if rules.gap_distribution else DEFAULT_DISTRIBUTION
    return GapRule(
        gaps=distribution,
        alarms=(rules.at_risk_alarms, rules.dormant_alarms, rules.churned_alarms),
        max_shares=(rules.at_risk_share, rules.dormant_share, rules.churned_share),
        min_days=(rules.at_risk_days, rules.dormant_days, rules.churned_days),
        guard_alive=rules.guard_alive,
        guard_churn=rules.guard_churn,
        guard_days=min(max(rules.dormant_gap_days, MIN_GUARD_DAYS), MAX_GUARD_DAYS),
    )


def to_alive_rule(rules: StageRules) -> AliveRule | None:
    """Return the rule on the probability active.

    Return None without a purchase model, or if the rules use quantiles with a minimum of 0, which switches it off.
    """
    by_gaps = rules.method == StageRules.Method.FALSE_ALARMS
    if not rules.purchase_model or (rules.min_p_alive <= 0 and not by_gaps):
        return None
    parameters = rules.purchase_model
    return AliveRule(
        r=parameters["r"],
        alpha=parameters["alpha"],
        a=parameters["a"],
        b=parameters["b"],
        modified=parameters["model"] == "mbg_nbd",
        min_alive=0.0 if by_gaps else rules.min_p_alive,
    )


def list_threshold_versions() -> Sequence[StageThresholds]:
    return [to_thresholds(rules) for rules in StageRules.objects.order_by("version")]


def measure_rules(*, histories: OrderHistories, as_of: datetime) -> tuple[StageRules, GapQuantiles]:
    """Measure the thresholds from orders and activate them unless they are unchanged.

    Only orders before ``as_of`` count.
    The first version applies to the whole history, later ones from ``as_of`` on. Values that are not measured are kept, except the method:
    measured rules use false alarms.
    """
    current = get_active_rules()
    quantile = current.loyal_revenue_quantile if current else get_default_revenue_quantile()
    quantiles = measure_shop_gaps(histories)
    values = measure_values(histories=histories, quantiles=quantiles, as_of=as_of, revenue_quantile=quantile)
    if current and all(getattr(current, name) == value for name, value in values.items()):
        return current, quantiles
    if current:
        values |= {name: getattr(current, name) for name in CARRIED_OVER_FIELDS}
    return activate_rules(measured_at=as_of, effective_from=as_of if current else None, **values), quantiles


def get_default_revenue_quantile() -> float:
    return float(StageRules._meta.get_field("loyal_revenue_quantile").default)


def measure_values(
    *, histories: OrderHistories, quantiles: GapQuantiles, as_of: datetime, revenue_quantile: float
) -> dict[str, Any]:
    """Return the fields of `StageRules` that are measured from orders. quantiles: of the same orders."""
    return {
        "method": StageRules.Method.FALSE_ALARMS,
        "gap_distribution": measure_gap_distribution(histories),
        "time_zone": get_time_zone_name(),
        "order_gap_days": measure_order_gap(at=histories.at[histories.is_order]),
        "second_gap_days": quantiles.second_gap_days,
        "median_gap_days": quantiles.median_gap_days,
        "active_gap_days": quantiles.active_gap_days,
        "dormant_gap_days": quantiles.dormant_gap_days,
        "loyal_revenue": _measure_loyal_revenue(histories, as_of, revenue_quantile),
        "category_gaps": measure_gaps_by_category(histories),
        "purchase_model": fit_purchase_parameters(histories, as_of),
    }


def measure_shop_gaps(histories: OrderHistories) -> GapQuantiles:
    rows, at = select_orders(histories)
    return measure_gaps(customer=rows, at=at)


def should_measure_again(rules: StageRules) -> bool:
    """Return whether nobody has edited the rules since they were measured with quantiles or by the days of another time zone."""
    by_other_days = (rules.time_zone or "UTC") != get_time_zone_name()
    return rules.measured_at is not None and (rules.method == StageRules.Method.QUANTILES or by_other_days)


def measure_gap_distribution(histories: OrderHistories) -> dict[str, Any]:
    """Return the fields of the `GapDistribution` of all orders."""
    rows, at = select_orders(histories)
    distribution = fit_gap_distribution(
        customer=rows,
        at=at,
        clock=histories.clock,
        category=None if histories.category is None else histories.category[histories.is_order],
        categories=histories.categories,
    )
    return asdict(distribution)


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
    purchases = summarize_purchases(
        customer=customer, at=at, value=value, as_of=to_microseconds(as_of), clock=histories.clock
    )
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


def _measure_loyal_revenue(histories: OrderHistories, as_of: datetime, share: float) -> Decimal | None:
    """Return a quantile of the 12-month revenue of the customers who ordered in these months."""
    rows = np.repeat(np.arange(len(histories.customer)), np.diff(histories.start))
    recent = histories.at > to_microseconds(as_of) - YEAR
    buyers = np.unique(rows[recent & histories.is_order])
    if len(buyers) < MIN_BUYERS_FOR_QUANTILE:
        return None
    revenue = np.bincount(rows[recent], histories.amount[recent], minlength=len(histories.customer))
    amount = round(float(np.quantile(revenue[buyers], share)))
    return Decimal(amount).scaleb(-2) if amount > 0 else None
