"""Segments that most shops want on the first day."""

from typing import Any

from customers.segments.models import Segment

Tree = dict[str, Any]


def compare(field: str, op: str, value: Any = None, **more: Any) -> Tree:
    tree: Tree = {"field": field, "op": op, **more}
    return tree if value is None else {**tree, "value": value}


# key, name, description, condition
STARTERS: tuple[tuple[str, str, str, Tree], ...] = (
    (
        "champions",
        "Champions",
        "Bought a short while ago, often and for much: thank them, show them what is new first.",
        {"all": [compare("rfm_group", "in", ["champions"])]},
    ),
    (
        "at-risk",
        "At risk",
        "Have been silent for longer than is usual here: remind them before they are gone.",
        {"all": [compare("stage", "in", ["at_risk"])]},
    ),
    (
        "dormant-loyal",
        "Dormant, once loyal",
        "Five orders or more, then nothing for a long time: worth winning back.",
        {"all": [compare("stage", "in", ["dormant", "churned"]), compare("orders", "gte", 5)]},
    ),
    (
        "new-customers",
        "New customers",
        "First order in the last 30 days: the second order decides.",
        {"all": [compare("first_order_at", "within_days", 30), compare("orders", "gte", 1)]},
    ),
    (
        "one-order-only",
        "One order only",
        "Bought once, more than 60 days ago, and never again.",
        {"all": [compare("orders", "eq", 1), compare("last_order_at", "older_than_days", 60)]},
    ),
    (
        "big-baskets",
        "Big baskets",
        "Three orders or more and among the fifth that spends most.",
        {"all": [compare("m", "eq", 5), compare("orders", "gte", 3)]},
    ),
    (
        "often-returning-goods",
        "Often sends things back",
        "Three returns or more: look at what went wrong before writing to them.",
        {"all": [compare("returns", "gte", 3)]},
    ),
    (
        "recent-buyers",
        "Bought in the last 30 days",
        "Everybody with an order in the last 30 days.",
        {"all": [compare("bought.any", "at_least", within_days=30)]},
    ),
    (
        "prospects",
        "Known, no order yet",
        "Gave a user id or an e-mail address and has not bought.",
        {"all": [compare("identified", "eq", True), {"not": compare("bought.any", "at_least")}]},
    ),
)


def ensure_starter_segments() -> list[str]:
    """Makes the starter segments that are missing and returns their keys; one that exists is left as people made it."""
    segments = [
        Segment(key=key, name=name, description=description, condition=condition)
        for key, name, description, condition in STARTERS
    ]
    existing = set(Segment.objects.filter(key__in=[segment.key for segment in segments]).values_list("key", flat=True))
    Segment.objects.bulk_create(segments, ignore_conflicts=True)
    return [segment.key for segment in segments if segment.key not in existing]
