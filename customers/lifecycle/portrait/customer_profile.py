"""One customer as plain values, for the customer page and for REST alike."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from customers.lifecycle.backoffice.labels.cluster_labels import cluster_names
from customers.lifecycle.backoffice.labels.propensity_labels import FAMILY_NAMES, reason_text
from customers.lifecycle.models import CustomerProfile, ScoreModel, StageTransition
from customers.lifecycle.propensity.explanations import Reason, propensity_reasons
from customers.lifecycle.propensity.models import KINDS
from customers.lifecycle.refresh.score_models import Cards, latest_cards
from customers.orders.models import Order

NO_ORDER, NOT_YET, SEVERAL_CURRENCIES = "no_order", "not_yet", "several_currencies"
NOT_IN_WINDOW = "not_in_window"
RFM_REASON_NAMES = {
    NO_ORDER: _("no order yet"),
    NOT_YET: _("the next refresh computes it"),
    NOT_IN_WINDOW: _("no order in the window"),
}
REASON_NAMES = {
    NO_ORDER: _("no order yet"),
    NOT_YET: _("the next refresh computes it"),
    SEVERAL_CURRENCIES: _("the orders are in several currencies, which cannot be added up"),
    **dict(ScoreModel.Reason.choices),
}

COUNTERS = (
    "orders",
    "returns",
    "units",
    "revenue",
    "discounts",
    "average_order_value",
    "average_gap_days",
    "first_order_at",
    "last_order_at",
    "events",
    "sessions",
    "last_event_at",
)


def portrait(*, customer_id: int, cards: Cards | None = None) -> dict[str, Any] | None:
    """Counters, interests, stage with its reason, scores with theirs; None for a customer without a profile, and for one who was erased.

    cards: of the newest refresh, where the caller has them.
    """
    profile = CustomerProfile.objects.filter(customer_id=customer_id, customer__erased_at=None).first()
    if profile is None:
        return None
    cards = latest_cards() if cards is None else cards
    return {
        "customer_id": customer_id,
        "computed_at": profile.computed_at,
        "stage": _stage(profile),
        "rfm": _rfm(profile),
        "rfm_window": _rfm_window(profile, cards),
        "value": _value(profile, cards),
        "next_order": _next_order(profile),
        "propensities": _propensities(profile, cards),
        "next_category": _next_category(profile, cards),
        "cluster": _cluster(profile, cards),
        "counters": {name: getattr(profile, name) for name in COUNTERS},
        "discount_share": _discount_share(profile),
        "interests": {
            "categories": _shares(profile.favourite_categories),
            "brands": _shares(profile.favourite_brands),
            "hours": _shares(profile.favourite_hours),
        },
    }


def stage_history(*, customer_id: int, most: int | None = None) -> list[dict[str, Any]]:
    """The moves between stages, newest first."""
    moves = StageTransition.objects.filter(customer_id=customer_id).select_related("rules")
    return [
        {
            "at": move.at,
            "from_stage": move.from_stage,
            "from_name": str(move.get_from_stage_display()),
            "to_stage": move.to_stage,
            "to_name": str(move.get_to_stage_display()),
            "reason": move.reason,
            "reason_name": str(move.get_reason_display()),
            "rules_version": move.rules.version,
        }
        for move in moves[:most]
    ]


def latest_orders(*, customer_id: int, most: int = 20) -> list[Order]:
    """The newest orders and returns, with their source."""
    return list(
        Order.objects.filter(customer_id=customer_id).select_related("source").order_by("-placed_at", "-id")[:most]
    )


def order_moments(*, customer_id: int, most: int = 2000) -> list[datetime]:
    """When the customer ordered, newest first; without returns and cancelled orders."""
    orders = Order.objects.filter(customer_id=customer_id, kind=Order.Kind.SALE).exclude(status=Order.Status.CANCELLED)
    return list(orders.order_by("-placed_at").values_list("placed_at", flat=True)[:most])


def _stage(profile: CustomerProfile) -> dict[str, Any]:
    latest = StageTransition.objects.filter(customer_id=profile.pk).select_related("rules").first()
    return {
        "key": profile.stage,
        "name": str(profile.get_stage_display()),
        "since": profile.stage_since,
        "reason": latest.reason if latest else "",
        "reason_name": str(latest.get_reason_display()) if latest else "",
        "came_from": latest.from_stage if latest else "",
        "next_change_at": profile.next_flip_at,
        "rules_version": latest.rules.version if latest else None,
    }


def _rfm(profile: CustomerProfile) -> dict[str, Any] | None:
    if profile.r is None:
        return None
    return {
        "r": profile.r,
        "f": profile.f,
        "m": profile.m,
        "group": profile.rfm_group,
        "group_name": str(profile.get_rfm_group_display()),
    }


def _rfm_window(profile: CustomerProfile, cards: dict[str, ScoreModel]) -> dict[str, Any]:
    """RFM of the last days before the refresh, and why there is none where there is none; reason is "" where there is."""
    card = cards.get(ScoreModel.Kind.BUYING)
    days = card.run.quality.get("rfm_window_days") if card else None
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


def _value(profile: CustomerProfile, cards: dict[str, ScoreModel]) -> dict[str, Any]:
    """What the coming twelve months may bring, and why it cannot be told where it cannot; reason is "" where all is there."""
    reason = ""
    if profile.p_alive is None:
        reason = NO_ORDER if not profile.orders else _reason_of(cards.get(ScoreModel.Kind.BUYING)) or NOT_YET
    elif profile.value is None:
        reason = _reason_of(cards.get(ScoreModel.Kind.SPEND)) or SEVERAL_CURRENCIES
    buying = cards.get(ScoreModel.Kind.BUYING)
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
        "reason": reason,
        "reason_name": str(REASON_NAMES[reason]) if reason else "",
        "algorithm": buying.algorithm if buying else "",
    }


def _next_order(profile: CustomerProfile) -> dict[str, Any]:
    return {
        "earliest": profile.next_order_from,
        "likeliest": profile.next_order_likely,
        "latest": profile.next_order_to,
        "reason": profile.next_order_reason,
        "reason_name": str(profile.get_next_order_reason_display()),
    }


def _propensities(profile: CustomerProfile, cards: dict[str, ScoreModel]) -> list[dict[str, Any]]:
    """One a target. fallback: whether the buying process alone says it; reason: why that is so, or why nobody does."""
    known = set(KINDS) <= set(cards) and bool(profile.orders) and profile.valued_at is not None
    reasons = {}
    if known and profile.valued_at:
        reasons = propensity_reasons(customer_id=profile.pk, as_of=profile.valued_at, cards=cards)
    return [
        _propensity(kind, getattr(profile, kind), profile, cards.get(kind), reasons.get(kind, ())) for kind in KINDS
    ]


def _propensity(
    kind: ScoreModel.Kind,
    probability: float | None,
    profile: CustomerProfile,
    card: ScoreModel | None,
    reasons: tuple[Reason, ...],
) -> dict[str, Any]:
    reason = _reason_of(card)
    if probability is None:
        reason = NO_ORDER if not profile.orders else reason or NOT_YET
    return {
        "key": kind.value,
        "name": str(kind.label),
        "probability": probability,
        "horizon_days": card.parameters["horizon_days"] if card else None,
        "reasons": [
            {
                "feature": one.feature,
                "family": str(FAMILY_NAMES.get(one.family, one.family)),
                "text": reason_text(one),
                "direction": "raises" if one.raises else "lowers",
            }
            for one in reasons
        ],
        "fallback": probability is not None and bool(reason),
        "reason": reason,
        "reason_name": str(REASON_NAMES[reason]) if reason else "",
        "algorithm": card.algorithm if card else "",
        "learnt_at": datetime.fromisoformat(card.parameters["learnt_at"]) if card else None,
    }


def _next_category(profile: CustomerProfile, cards: dict[str, ScoreModel]) -> dict[str, Any]:
    """The likeliest top category of the next order; reason says why there is none."""
    reason = ""
    if not profile.next_category:
        reason = NO_ORDER if not profile.orders else _reason_of(cards.get(ScoreModel.Kind.NEXT_CATEGORY)) or NOT_YET
    return {
        "name": profile.next_category,
        "probability": profile.next_category_probability,
        "reason": reason,
        "reason_name": str(REASON_NAMES[reason]) if reason else "",
    }


def _cluster(profile: CustomerProfile, cards: dict[str, ScoreModel]) -> dict[str, Any] | None:
    """Number and name of the cluster; None without one."""
    if profile.cluster is None:
        return None
    card = cards.get(ScoreModel.Kind.CLUSTERS)
    return {"number": profile.cluster, "name": cluster_names(card).get(profile.cluster, "") if card else ""}


def _reason_of(card: ScoreModel | None) -> str:
    return card.reason if card else ""


def _discount_share(profile: CustomerProfile) -> float | None:
    """Of what the orders would have cost without discounts; None without orders."""
    if profile.average_order_value is None:
        return None
    full = profile.average_order_value * profile.orders + profile.discounts
    return round(float(profile.discounts / full), 4) if full > 0 else None


def _shares(pairs: list[list[Any]]) -> list[dict[str, Any]]:
    return [{"name": name, "share": share} for name, share in pairs]
