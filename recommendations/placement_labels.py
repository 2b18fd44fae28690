"""What the places of the shop are called, everywhere in the back office."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

# the scenarios of `engine.scenarios`, in their order
SCENARIO_NAMES: dict[str, str | Promise] = {
    "for-you": _("For you"),
    "similar": _("Similar products"),
    "bought-together": pgettext_lazy("place", "Bought together"),
    "cart": _("Goes with the basket"),
    "buy-again": _("Buy again"),
    "trending": _("Trending"),
    "popular": pgettext_lazy("place", "Popular"),
    "new": _("New products"),
    "recently-viewed": _("Recently viewed"),
    "categories": _("Categories for you"),
}
PLACE_NAMES: dict[str, str | Promise] = {
    **SCENARIO_NAMES,
    "rank": _("Own order of given products"),
    "search": pgettext_lazy("place", "Search"),
}


def place_name(place: str) -> str:
    return str(PLACE_NAMES.get(place, place))
