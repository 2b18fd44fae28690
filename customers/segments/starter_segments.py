"""Segments that most shops start with."""

from typing import Any

from customers.segments.models import Segment

Tree = dict[str, Any]


def build_comparison(field: str, op: str, value: Any = None, **options: Any) -> Tree:
    tree: Tree = {"field": field, "op": op, **options}
    return tree if value is None else {**tree, "value": value}


# key, name, description, condition
STARTERS: tuple[tuple[str, str, str, Tree], ...] = (
    (
        "champions",
        "Champions",
        "Bought recently, often and for high amounts: thank them and show them new products first.",
        {"all": [build_comparison("rfm_group", "in", ["champions"])]},
    ),
    (
        "at-risk",
        "At risk",
        "Inactive for longer than usual: send a reminder before they churn.",
        {"all": [build_comparison("stage", "in", ["at_risk"])]},
    ),
    (
        "dormant-loyal",
        "Dormant, formerly loyal",
        "Five or more orders, then nothing for a long time: worth winning back.",
        {"all": [build_comparison("stage", "in", ["dormant", "churned"]), build_comparison("orders", "gte", 5)]},
    ),
    (
        "new-customers",
        "New customers",
        "First order in the last 30 days: encourage the second order.",
        {"all": [build_comparison("first_order_at", "within_days", 30), build_comparison("orders", "gte", 1)]},
    ),
    (
        "one-order-only",
        "One order only",
        "One order, more than 60 days ago.",
        {"all": [build_comparison("orders", "eq", 1), build_comparison("last_order_at", "older_than_days", 60)]},
    ),
    (
        "big-baskets",
        "Big baskets",
        "Three or more orders, and among the 20% of customers with the highest spend.",
        {"all": [build_comparison("m", "eq", 5), build_comparison("orders", "gte", 3)]},
    ),
    (
        "often-returning-goods",
        "Frequent returns",
        "Three or more returns: find out what went wrong before contacting them.",
        {"all": [build_comparison("returns", "gte", 3)]},
    ),
    (
        "recent-buyers",
        "Bought in the last 30 days",
        "Customers with an order in the last 30 days.",
        {"all": [build_comparison("bought.any", "at_least", within_days=30)]},
    ),
    (
        "prospects",
        "Known, no order yet",
        "Known by user ID or email address, no order yet.",
        {"all": [build_comparison("identified", "eq", True), {"not": build_comparison("bought.any", "at_least")}]},
    ),
)


def ensure_starter_segments() -> list[str]:
    """Create the missing starter segments and return their keys; existing ones are not changed."""
    segments = [
        Segment(key=key, name=name, description=description, condition=condition)
        for key, name, description, condition in STARTERS
    ]
    existing = set(Segment.objects.filter(key__in=[segment.key for segment in segments]).values_list("key", flat=True))
    Segment.objects.bulk_create(segments, ignore_conflicts=True)
    return [segment.key for segment in segments if segment.key not in existing]
