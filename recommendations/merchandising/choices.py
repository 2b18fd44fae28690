"""The choices and limits of a rule."""

from collections.abc import Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _

from recommendations.placement_labels import PLACEMENT_LABELS

MAX_PRODUCT_IDS, MAX_PINNED_PRODUCTS, MAX_POSITION, MAX_PRIORITY = 10_000, 100, 100, 1000
MAX_PRODUCT_ID_LENGTH = 200

# the fields that the form and REST write
EDITABLE_FIELDS = (
    "name",
    "enabled",
    "priority",
    "action",
    "position",
    "factor",
    "scenarios",
    "category",
    "brand",
    "product_ids",
    "attribute_name",
    "attribute_value",
    "tag",
    "price_from",
    "price_to",
    "margin_from",
    "margin_to",
    "stock_from",
    "stock_to",
    "new_within_days",
    "segment",
    "starts_at",
    "ends_at",
    "weekdays",
)


class RulePlacement(models.TextChoices):
    """Where a rule applies: the placements of `recommendations.engine.placements`, and search."""

    FOR_YOU = "for-you", PLACEMENT_LABELS["for-you"]
    SIMILAR = "similar", PLACEMENT_LABELS["similar"]
    BOUGHT_TOGETHER = "bought-together", PLACEMENT_LABELS["bought-together"]
    CART = "cart", PLACEMENT_LABELS["cart"]
    BUY_AGAIN = "buy-again", PLACEMENT_LABELS["buy-again"]
    TRENDING = "trending", PLACEMENT_LABELS["trending"]
    POPULAR = "popular", PLACEMENT_LABELS["popular"]
    NEW = "new", PLACEMENT_LABELS["new"]
    RECENTLY_VIEWED = "recently-viewed", PLACEMENT_LABELS["recently-viewed"]
    CATEGORIES = "categories", PLACEMENT_LABELS["categories"]
    SEARCH = "search", PLACEMENT_LABELS["search"]


def covers_recommendations(placements: Iterable[str]) -> bool:
    """Return whether a rule for these placements applies to recommendations, and not only to search; a rule for none applies to all."""
    return set(placements) != {RulePlacement.SEARCH}


class Weekday(models.IntegerChoices):
    """Weekdays by ISO 8601: Monday is 1."""

    MONDAY = 1, _("Monday")
    TUESDAY = 2, _("Tuesday")
    WEDNESDAY = 3, _("Wednesday")
    THURSDAY = 4, _("Thursday")
    FRIDAY = 5, _("Friday")
    SATURDAY = 6, _("Saturday")
    SUNDAY = 7, _("Sunday")


class RuleAction(models.TextChoices):
    PIN = "pin", _("pin")
    BOOST = "boost", _("boost")
    BURY = "bury", _("bury")
    HIDE = "hide", _("hide")
    ONLY = "only", _("only")
