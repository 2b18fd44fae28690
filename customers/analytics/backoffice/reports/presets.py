"""Ready-made reports for a shop: each is a question with its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Preset:
    """A ready-made report."""

    question: str
    label: str | Promise
    purpose: str | Promise
    parameters: Mapping[str, Any]


ORDER = {"meaning": "purchase"}
PRESETS: tuple[Preset, ...] = (
    Preset(
        "funnel",
        _("Checkout funnel"),
        _("Where do people leave between viewing a product and ordering?"),
        {
            "range": "28d",
            "steps": [{"meaning": "view"}, {"meaning": "cart"}, {"meaning": "checkout"}, ORDER],
            "window_seconds": 7 * 86_400,
        },
    ),
    Preset(
        "funnel",
        _("From search to order"),
        _("How many people who search go on to view a product and order?"),
        {"range": "28d", "steps": [{"meaning": "search"}, {"meaning": "view"}, ORDER], "window_seconds": 7 * 86_400},
    ),
    Preset(
        "retention",
        _("From the first to the second order"),
        _("How many new customers order again, and after how many months?"),
        {"range": "365d", "cohort": "first_order", "returning": ORDER, "interval": "month", "periods": 6},
    ),
    Preset(
        "retention",
        _("Revenue after the first order"),
        _("How much do new customers spend in each month after their first order?"),
        {
            "range": "365d",
            "cohort": "first_order",
            "returning": ORDER,
            "interval": "month",
            "periods": 6,
            "measure": "revenue",
        },
    ),
    Preset(
        "trends",
        _("Orders and the people who order"),
        _("How do orders change compared with the previous period?"),
        {
            "range": "90d",
            "series": [{"event": ORDER}, {"event": ORDER, "measure": "people"}],
            "interval": "week",
            "is_compared": True,
        },
    ),
    Preset(
        "trends",
        _("Orders per product view"),
        _("How well do product views turn into orders, week by week?"),
        {
            "range": "90d",
            "series": [{"event": ORDER}, {"event": {"meaning": "view"}}],
            "formula": "A / B",
            "interval": "week",
        },
    ),
    Preset(
        "trends",
        _("Searches without results"),
        _("Which searches find nothing? Requires the property “results” in search events."),
        {
            "range": "28d",
            "series": [
                {
                    "event": {
                        "meaning": "search",
                        "filters": [{"property": "results", "op": "lt", "value": 1}],
                    }
                }
            ],
            "breakdown": {"kind": "event", "name": "query", "limit": 10},
            "interval": "week",
        },
    ),
    Preset(
        "repeat",
        _("Repeat orders by first product"),
        _("After which first product do most people order again within 90 days?"),
        {"range": "365d", "level": "product", "within_days": 90, "sort": "share"},
    ),
    Preset(
        "affinity",
        _("Products bought together"),
        _("Which products are bought by the same people, and how much more often than by chance?"),
        {"range": "365d", "level": "product", "sort": "lift"},
    ),
    Preset(
        "activity",
        _("Who is new, stays, comes back or stops coming"),
        _("Do more people join or return each week than stop coming?"),
        {"range": "90d", "interval": "week"},
    ),
    Preset(
        "products",
        _("Categories by margin"),
        _("Which categories earn the most, and which are returned most often?"),
        {"range": "90d", "level": "category", "sort": "margin", "limit": 50},
    ),
    Preset(
        "paths",
        _("Before an order"),
        _("What do people do directly before they order?"),
        {"range": "28d", "anchor": ORDER, "is_backward": True, "levels": 3, "top": 5},
    ),
)


WEEK = {"range": "7d"}
# the reports of the ready-made dashboard, which a shop looks at every Monday
WEEKLY: tuple[Preset, ...] = (
    Preset(
        "trends",
        _("Orders and order totals of the week"),
        "",
        {
            **WEEK,
            "series": [{"event": ORDER}, {"event": ORDER, "measure": "sum", "property": "value"}],
            "interval": "day",
            "is_compared": True,
        },
    ),
    Preset("sessions", _("Sessions of the week"), "", {**WEEK, "goal": ORDER}),
    Preset(
        "funnel",
        _("Checkout funnel of the week"),
        "",
        {
            **WEEK,
            "steps": [{"meaning": "view"}, {"meaning": "cart"}, {"meaning": "checkout"}, ORDER],
            "window_seconds": 7 * 86_400,
        },
    ),
    Preset("activity", _("New and dormant people by week"), "", {"range": "90d", "interval": "week"}),
    Preset("products", _("Products of the week"), "", {**WEEK, "limit": 10}),
)
