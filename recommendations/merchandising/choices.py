"""The words of a rule: places, weekdays, actions; and how much fits into one."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from recommendations.placement_labels import PLACE_NAMES

MOST_PRODUCT_IDS, MOST_PINNED, LAST_POSITION, HIGHEST_PRIORITY = 10_000, 100, 100, 1000

# what somebody may write into a rule, in a form or over REST
WRITTEN_FIELDS = (
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


class Place(models.TextChoices):
    """Where a rule may hold: the scenarios of `recommendations.engine.placements`, and the search."""

    FOR_YOU = "for-you", PLACE_NAMES["for-you"]
    SIMILAR = "similar", PLACE_NAMES["similar"]
    BOUGHT_TOGETHER = "bought-together", PLACE_NAMES["bought-together"]
    CART = "cart", PLACE_NAMES["cart"]
    BUY_AGAIN = "buy-again", PLACE_NAMES["buy-again"]
    TRENDING = "trending", PLACE_NAMES["trending"]
    POPULAR = "popular", PLACE_NAMES["popular"]
    NEW = "new", PLACE_NAMES["new"]
    RECENTLY_VIEWED = "recently-viewed", PLACE_NAMES["recently-viewed"]
    CATEGORIES = "categories", PLACE_NAMES["categories"]
    SEARCH = "search", PLACE_NAMES["search"]


class Weekday(models.IntegerChoices):
    """ISO 8601: Monday is 1."""

    MONDAY = 1, _("Monday")
    TUESDAY = 2, _("Tuesday")
    WEDNESDAY = 3, _("Wednesday")
    THURSDAY = 4, _("Thursday")
    FRIDAY = 5, _("Friday")
    SATURDAY = 6, _("Saturday")
    SUNDAY = 7, _("Sunday")


class Action(models.TextChoices):
    PIN = "pin", _("pin to a place")
    BOOST = "boost", _("boost")
    BURY = "bury", _("bury")
    HIDE = "hide", _("hide")
    ONLY = "only", _("only these")
