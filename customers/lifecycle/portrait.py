"""One customer as plain values, for the customer page and for REST alike."""

from datetime import datetime
from typing import Any

from customers.lifecycle.models import CustomerProfile, StageTransition
from customers.orders.models import Order

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


def portrait(*, customer_id: int) -> dict[str, Any] | None:
    """Counters, interests, stage with its reason, RFM; None for a customer without a profile."""
    profile = CustomerProfile.objects.filter(customer_id=customer_id).first()
    if profile is None:
        return None
    return {
        "customer_id": customer_id,
        "computed_at": profile.computed_at,
        "stage": _stage(profile),
        "rfm": _rfm(profile),
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


def _discount_share(profile: CustomerProfile) -> float | None:
    """Of what the orders would have cost without discounts; None without orders."""
    if profile.average_order_value is None:
        return None
    full = profile.average_order_value * profile.orders + profile.discounts
    return round(float(profile.discounts / full), 4) if full > 0 else None


def _shares(pairs: list[list[Any]]) -> list[dict[str, Any]]:
    return [{"name": name, "share": share} for name, share in pairs]
