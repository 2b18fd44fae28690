"""The words of a rule: places, weekdays, actions; and how much fits into one."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

MOST_PRODUCT_IDS, MOST_PINNED, LAST_POSITION, HIGHEST_PRIORITY = 10_000, 100, 100, 1000


class Place(models.TextChoices):
    """Where a rule may hold: the scenarios of `recommendations.engine.scenarios`, and the search."""

    FOR_YOU = "for-you", _("for you")
    SIMILAR = "similar", _("similar products")
    BOUGHT_TOGETHER = "bought-together", _("bought together")
    CART = "cart", _("cart")
    BUY_AGAIN = "buy-again", _("buy again")
    TRENDING = "trending", _("trending")
    POPULAR = "popular", _("popular")
    NEW = "new", pgettext_lazy("products", "new")
    RECENTLY_VIEWED = "recently-viewed", _("recently viewed")
    CATEGORIES = "categories", _("categories for a person")
    SEARCH = "search", _("search")


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
