"""Segments that most shops start with."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.segments.models import Segment

Tree = dict[str, Any]
Text = str | Promise


def build_comparison(field: str, op: str, value: Any = None, **options: Any) -> Tree:
    tree: Tree = {"field": field, "op": op, **options}
    return tree if value is None else {**tree, "value": value}


# key, name, description, condition
STARTERS: tuple[tuple[str, Text, Text, Tree], ...] = (
    (
        "champions",
        _("Champions"),
        _("Bought recently, often and for high amounts: thank them and show them new products first."),
        {
            # The group is of R and F, and where most customers ordered once, the latest of these have an F of 4.
            "all": [
                build_comparison("rfm_group", "in", ["champions"]),
                build_comparison("orders", "gte", 2),
                build_comparison("m", "gte", 4),
            ]
        },
    ),
    (
        "at-risk",
        _("At risk"),
        _("Inactive for longer than usual: send a reminder before they churn."),
        {"all": [build_comparison("stage", "in", ["at_risk"])]},
    ),
    (
        "dormant-loyal",
        _("Dormant or churned, at least five orders"),
        _("Five or more orders, then nothing for a long time: worth winning back."),
        {"all": [build_comparison("stage", "in", ["dormant", "churned"]), build_comparison("orders", "gte", 5)]},
    ),
    (
        "new-customers",
        _("New customers"),
        _("First order in the last 30 days: encourage the second order."),
        {"all": [build_comparison("first_order_at", "within_days", 30), build_comparison("orders", "gte", 1)]},
    ),
    (
        "one-order-only",
        _("One order only"),
        _("One order, more than 60 days ago."),
        {"all": [build_comparison("orders", "eq", 1), build_comparison("last_order_at", "older_than_days", 60)]},
    ),
    (
        "big-baskets",
        _("Big spenders"),
        _("Three or more orders, and among the 20% of customers with the highest spend."),
        {"all": [build_comparison("m", "eq", 5), build_comparison("orders", "gte", 3)]},
    ),
    (
        "often-returning-goods",
        _("Frequent returns"),
        _("Three or more returns: find out what went wrong before contacting them."),
        {"all": [build_comparison("returns", "gte", 3)]},
    ),
    (
        "recent-buyers",
        _("Bought in the last 30 days"),
        _("Customers with an order in the last 30 days."),
        {"all": [build_comparison("bought.any", "at_least", within_days=30)]},
    ),
    (
        "prospects",
        _("Known, no order yet"),
        _("Known by user ID or email address, no order yet."),
        {"all": [build_comparison("identified", "eq", True), {"not": build_comparison("bought.any", "at_least")}]},
    ),
)


def ensure_starter_segments() -> list[str]:
    """Create the missing starter segments, named in the active language, and return their keys; existing ones are not changed."""
    segments = [
        Segment(key=key, name=str(name), description=str(description), condition=condition)
        for key, name, description, condition in STARTERS
    ]
    existing = set(Segment.objects.filter(key__in=[segment.key for segment in segments]).values_list("key", flat=True))
    Segment.objects.bulk_create(segments, ignore_conflicts=True)
    return [segment.key for segment in segments if segment.key not in existing]
