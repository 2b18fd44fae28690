"""The names of the placements in the back office."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

# the placements of `recommendations.engine.placements`, in the same order
RECOMMENDATION_PLACEMENT_LABELS: dict[str, str | Promise] = {
    "for-you": _("For you"),
    "similar": _("Similar products"),
    "bought-together": pgettext_lazy("placement", "Bought together"),
    "cart": _("Goes with your cart"),
    "buy-again": _("Buy again"),
    "trending": _("Trending"),
    "popular": pgettext_lazy("placement", "Popular"),
    "new": _("New products"),
    "recently-viewed": _("Recently viewed"),
    "categories": _("Categories for you"),
}
PLACEMENT_LABELS: dict[str, str | Promise] = {
    **RECOMMENDATION_PLACEMENT_LABELS,
    "rank": _("Ranked list"),
    "search": pgettext_lazy("placement", "Search"),
}
# what responses name as their fallback if no placement has products; no placement, so it cannot be chosen
LAST_RESORT_LABELS: dict[str, str | Promise] = {"catalogue": _("Newest products of the catalog")}


def get_placement_label(placement: str) -> str:
    """Return the name of a placement or of the last resort; the key if it has none."""
    return str(PLACEMENT_LABELS.get(placement) or LAST_RESORT_LABELS.get(placement, placement))
