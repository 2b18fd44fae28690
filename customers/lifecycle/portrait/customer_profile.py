"""One customer's profile as plain values, for the customer page and REST."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.foundation.number_formats import join_sentences
from customers.lifecycle.backoffice.labels.cluster_labels import get_cluster_names
from customers.lifecycle.backoffice.labels.difference_labels import LIKELY, describe_differences
from customers.lifecycle.backoffice.labels.propensity_labels import FAMILY_LABELS, describe_level, format_reason
from customers.lifecycle.backoffice.labels.stage_labels import (
    describe_gaps,
    describe_guard,
    describe_missing_orders,
    describe_quantile_rules,
)
from customers.lifecycle.clv.held_coverage import get_held_coverage
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import CustomerProfile, NextOrderReason, ScoreModel, Stage, StageTransition
from customers.lifecycle.portrait.gap_summaries import summarize_customer_gaps
from customers.lifecycle.propensity.explanations import PropensityReason, explain_propensities
from customers.lifecycle.propensity.levels import bound_propensities, read_level
from customers.lifecycle.propensity.models import PROPENSITY_KINDS
from customers.lifecycle.refresh.columns import COUNTERS
from customers.lifecycle.refresh.score_models import ScoreModelsByKind, load_latest_score_models
from customers.lifecycle.scoring.stages.gap_summary import GapSummary
from customers.lifecycle.stages.freshness import find_missing_data_since
from customers.lifecycle.stages.rules import get_active_rules
from customers.orders.models import Order

NO_ORDER, NOT_YET, SEVERAL_CURRENCIES = "no_order", "not_yet", "several_currencies"
NOT_IN_WINDOW = "not_in_window"
RFM_REASON_NAMES = {
    NO_ORDER: _("no order yet"),
    NOT_YET: _("available after the next refresh"),
    NOT_IN_WINDOW: _("no order in the window"),
}
REASON_NAMES = {
    NO_ORDER: _("no order yet"),
    NOT_YET: _("available after the next refresh"),
    SEVERAL_CURRENCIES: _("orders in multiple currencies"),
    **dict(ScoreModel.Reason.choices),
}

NEXT_ORDER_REASON_NAMES = {NOT_YET: REASON_NAMES[NOT_YET], **dict(NextOrderReason.choices)}


def build_customer_profile(
    *,
    customer_id: int,
    score_models: ScoreModelsByKind | None = None,
    as_of: datetime | None = None,
    with_reasons: bool = True,
) -> dict[str, Any] | None:
    """Return counters, interests, stage and scores with their reasons.

    Return None without a profile or if erased. score_models: of the latest refresh, if the caller has them. as_of: the time for which
    the stage is explained, by default now. with_reasons: whether to explain the propensities, which reads the customer's orders.
    """
    profile = CustomerProfile.objects.filter(customer_id=customer_id, customer__erased_at=None).first()
    if profile is None:
        return None
    score_models = load_latest_score_models() if score_models is None else score_models
    gaps, missing_since = _summarize_gaps(profile, as_of or timezone.now())
    explanation = join_sentences(
        [_explain_gap(profile, gaps, as_of or timezone.now()), describe_missing_orders(missing_since)]
    )
    stage_guard = describe_guard(gaps) if gaps and profile.stage == Stage.AT_RISK else ""
    churn_model, currency = score_models.get(ScoreModel.Kind.CHURN), get_amount_currency()
    return {
        "customer_id": customer_id,
        "computed_at": profile.computed_at,
        "stage": {**_build_stage(profile), "explanation": explanation},
        "stage_guard": stage_guard,
        "gaps": gaps,
        "orders_missing_since": missing_since,
        "differences": describe_differences(
            profile, churn_days=churn_model.parameters["horizon_days"] if churn_model else None
        ),
        "rfm": _build_rfm(profile),
        "rfm_window": _build_rfm_window(profile, score_models),
        "value": _build_value(profile, score_models),
        "currency": currency,
        "next_order": _build_next_order(profile),
        "propensities": _build_propensities(profile, score_models, with_reasons=with_reasons, currency=currency),
        "next_category": _build_next_category(profile, score_models),
        "cluster": _build_cluster(profile, score_models),
        "counters": {name: getattr(profile, name) for name in COUNTERS},
        "discount_share": _compute_discount_share(profile, currency),
        "interests": {
            "categories": _build_shares(profile.favorite_categories),
            "brands": _build_shares(profile.favorite_brands),
            "hours": _build_shares(profile.favorite_hours),
        },
    }


def list_stage_changes(*, customer_id: int, limit: int | None = None) -> list[dict[str, Any]]:
    """Return the stage changes, latest first."""
    changes = StageTransition.objects.filter(customer_id=customer_id).select_related("rules")
    return [
        {
            "at": change.at,
            "from_stage": change.from_stage,
            "from_name": str(change.get_from_stage_display()),
            "to_stage": change.to_stage,
            "to_name": str(change.get_to_stage_display()),
            "reason": change.reason,
            "reason_name": str(change.get_reason_display()),
            "rules_version": change.rules.version,
        }
        for change in changes[:limit]
    ]


def list_latest_orders(*, customer_id: int, limit: int = 20) -> list[Order]:
    """Return the latest orders and returns with their source."""
    return list(
        Order.objects.filter(customer_id=customer_id).select_related("source").order_by("-placed_at", "-id")[:limit]
    )


def count_orders_in_other_currencies(*, customer_id: int, currency: str) -> dict[str, int]:
    """Return the number of orders by currency that amounts leave out."""
    orders = Order.objects.filter(customer_id=customer_id, kind=Order.Kind.SALE).exclude(status=Order.Status.CANCELLED)
    return dict(orders.exclude(currency=currency).order_by().values_list("currency").annotate(Count("id")))


def list_order_times(*, customer_id: int, limit: int = 2000) -> list[datetime]:
    """Return the times of orders, latest first, without returns and canceled orders."""
    orders = Order.objects.filter(customer_id=customer_id, kind=Order.Kind.SALE).exclude(status=Order.Status.CANCELLED)
    return list(orders.order_by("-placed_at").values_list("placed_at", flat=True)[:limit])


def _build_stage(profile: CustomerProfile) -> dict[str, Any]:
    latest = StageTransition.objects.filter(customer_id=profile.pk).select_related("rules").first()
    return {
        "key": profile.stage,
        "name": str(profile.get_stage_display()),
        "since": profile.stage_since,
        "reason": latest.reason if latest else "",
        "reason_name": str(latest.get_reason_display()) if latest else "",
        "previous_stage": latest.from_stage if latest else "",
        "next_change_at": profile.next_stage_change_at,
        "rules_version": latest.rules.version if latest else None,
    }


def _explain_gap(profile: CustomerProfile, gaps: GapSummary | None, as_of: datetime) -> str:
    """Return the time since the last order in words; "" without an order or rules."""
    if gaps is not None:
        return describe_gaps(gaps)
    rules = get_active_rules()
    if rules is None or profile.last_order_at is None:
        return ""
    return describe_quantile_rules(
        days=(as_of - profile.last_order_at) / timedelta(days=1),
        active_days=rules.active_gap_days,
        dormant_days=rules.dormant_gap_days,
    )


def _summarize_gaps(profile: CustomerProfile, as_of: datetime) -> tuple[GapSummary | None, datetime | None]:
    """Return how unusual the time since the last order is, and since when orders of the whole shop are missing.

    Both are None for a customer without an order, the former also with rules of quantiles.
    """
    if not profile.orders:
        return None, None
    gaps = summarize_customer_gaps(customer_ids=[profile.pk], as_of=as_of).get(profile.pk)
    return gaps, find_missing_data_since(as_of=as_of)


def _build_rfm(profile: CustomerProfile) -> dict[str, Any] | None:
    if profile.r is None:
        return None
    return {
        "r": profile.r,
        "f": profile.f,
        "m": profile.m,
        "group": profile.rfm_group,
        "group_name": str(profile.get_rfm_group_display()),
    }


def _build_rfm_window(profile: CustomerProfile, score_models: dict[str, ScoreModel]) -> dict[str, Any]:
    """Return the RFM scores of the window; reason says why there are none, else it is ""."""
    score_model = score_models.get(ScoreModel.Kind.PURCHASE_MODEL)
    days = score_model.run.quality.get("rfm_window_days") if score_model else None
    reason = ""
    if profile.r_window is None:
        reason = NO_ORDER if not profile.orders else NOT_YET if profile.r is None or days is None else NOT_IN_WINDOW
    return {
        "days": days,
        "r": profile.r_window,
        "f": profile.f_window,
        "m": profile.m_window,
        "group": profile.rfm_group_window,
        "group_name": str(profile.get_rfm_group_window_display()),
        "orders": profile.orders_window,
        "revenue": profile.revenue_window,
        "reason": reason,
        "reason_name": str(RFM_REASON_NAMES[reason]) if reason else "",
    }


def _build_value(profile: CustomerProfile, score_models: dict[str, ScoreModel]) -> dict[str, Any]:
    """Return the predictions for the next 12 months.

    `reason` says why values are missing, else it is "".
    """
    reason = ""
    if profile.p_alive is None:
        reason = (
            NO_ORDER if not profile.orders else _get_reason(score_models.get(ScoreModel.Kind.PURCHASE_MODEL)) or NOT_YET
        )
    elif profile.value is None:
        reason = _get_reason(score_models.get(ScoreModel.Kind.SPEND)) or SEVERAL_CURRENCIES
    purchase_model = score_models.get(ScoreModel.Kind.PURCHASE_MODEL)
    return {
        "p_alive": profile.p_alive,
        "expected_orders": profile.expected_orders,
        "expected_orders_low": profile.expected_orders_low,
        "expected_orders_high": profile.expected_orders_high,
        "expected_order_value": profile.expected_order_value,
        "value": profile.value,
        "spend_low": profile.spend_low,
        "spend_high": profile.spend_high,
        "interval_probability": profile.interval_probability,
        "interval_held": get_held_coverage(purchase_model) if profile.p_alive is not None else None,
        "reason": reason,
        "reason_name": str(REASON_NAMES[reason]) if reason else "",
        "algorithm": purchase_model.algorithm if purchase_model else "",
    }


def _build_next_order(profile: CustomerProfile) -> dict[str, Any]:
    """Return the dates of the next order; reason says why there are none, else it is "".

    A refresh scores only customers with orders, so the stored reason of the others is empty.
    """
    reason = profile.next_order_reason
    if profile.next_order_likely is None and not reason:
        reason = NOT_YET if profile.orders else NextOrderReason.NEVER_ORDERED.value
    return {
        "earliest": profile.next_order_from,
        "likeliest": profile.next_order_likely,
        "latest": profile.next_order_to,
        "conditional": profile.next_order_likely is not None
        and (profile.stage in (Stage.DORMANT, Stage.CHURNED) or (profile.churn or 0.0) >= LIKELY),
        "reason": reason,
        "reason_name": str(NEXT_ORDER_REASON_NAMES[reason]) if reason else "",
    }


def _build_propensities(
    profile: CustomerProfile, score_models: dict[str, ScoreModel], *, with_reasons: bool, currency: str
) -> list[dict[str, Any]]:
    """Return one entry per target.

    fallback: whether the purchase model is used instead of a trained model. reason: why, or why there is no prediction.
    """
    has_scores = set(PROPENSITY_KINDS) <= set(score_models) and bool(profile.orders) and profile.valued_at is not None
    reasons = {}
    if with_reasons and has_scores and profile.valued_at:
        reasons = explain_propensities(customer_id=profile.pk, as_of=profile.valued_at, score_models=score_models)
    probabilities: dict[str, float] = {
        kind: value
        for kind in PROPENSITY_KINDS
        if (value := getattr(profile, kind)) is not None and kind in score_models
    }
    intervals = bound_propensities(probabilities, score_models)
    return [
        _build_propensity(kind, profile, score_models.get(kind), intervals.get(kind), reasons.get(kind, ()), currency)
        for kind in PROPENSITY_KINDS
    ]


def _build_propensity(
    kind: ScoreModel.Kind,
    profile: CustomerProfile,
    score_model: ScoreModel | None,
    interval: tuple[float, float] | None,
    propensity_reasons: tuple[PropensityReason, ...],
    currency: str,
) -> dict[str, Any]:
    reason, probability = _get_reason(score_model), getattr(profile, kind)
    if probability is None:
        reason = NO_ORDER if not profile.orders else reason or NOT_YET
    low, high = interval or (None, None)
    return {
        "key": kind.value,
        "name": str(kind.label),
        "probability": probability,
        "low": low,
        "high": high,
        "level": build_level(score_model) if score_model and interval else None,
        "horizon_days": score_model.parameters["horizon_days"] if score_model else None,
        "reasons": [
            {
                "feature": propensity_reason.feature,
                "family": str(FAMILY_LABELS.get(propensity_reason.family, propensity_reason.family)),
                "text": format_reason(propensity_reason, currency=currency),
                "direction": "raises" if propensity_reason.raises else "lowers",
            }
            for propensity_reason in propensity_reasons
        ],
        "fallback": probability is not None and bool(reason),
        "reason": reason,
        "reason_name": str(REASON_NAMES[reason]) if reason else "",
        "algorithm": score_model.algorithm if score_model else "",
        "trained_at": datetime.fromisoformat(score_model.parameters["trained_at"]) if score_model else None,
    }


def build_level(score_model: ScoreModel) -> dict[str, Any]:
    """Return what is known of the level of a propensity as plain values."""
    level = read_level(score_model)
    return {
        "adjustment": level.adjustment,
        "known": not level.reason,
        "reason": level.reason,
        "reason_name": describe_level(level),
        "low": level.low,
        "high": level.high,
        "cutoffs": level.cutoffs,
    }


def _build_next_category(profile: CustomerProfile, score_models: dict[str, ScoreModel]) -> dict[str, Any]:
    """Return the most likely top-level category of the next order.

    `reason` says why there is none.
    """
    reason = ""
    if not profile.next_category:
        reason = (
            NO_ORDER if not profile.orders else _get_reason(score_models.get(ScoreModel.Kind.NEXT_CATEGORY)) or NOT_YET
        )
    return {
        "name": profile.next_category,
        "probability": profile.next_category_probability,
        "reason": reason,
        "reason_name": str(REASON_NAMES[reason]) if reason else "",
    }


def _build_cluster(profile: CustomerProfile, score_models: dict[str, ScoreModel]) -> dict[str, Any] | None:
    """Return number and name of the cluster; None without one."""
    if profile.cluster is None:
        return None
    score_model = score_models.get(ScoreModel.Kind.CLUSTERS)
    return {
        "number": profile.cluster,
        "name": get_cluster_names(score_model).get(profile.cluster, "") if score_model else "",
    }


def _get_reason(score_model: ScoreModel | None) -> str:
    return score_model.reason if score_model else ""


def _compute_discount_share(profile: CustomerProfile, currency: str) -> float | None:
    """Return discounts as a share of the undiscounted order total, before returns and refunds; None without orders."""
    if profile.average_order_value is None:
        return None
    orders = Order.objects.sales().filter(customer_id=profile.customer_id, currency=currency)
    undiscounted = (orders.aggregate(total=Sum("total"))["total"] or 0) + profile.discounts
    return round(float(profile.discounts / undiscounted), 4) if undiscounted > 0 else None


def _build_shares(pairs: list[list[Any]]) -> list[dict[str, Any]]:
    return [{"name": name, "share": share} for name, share in pairs]
