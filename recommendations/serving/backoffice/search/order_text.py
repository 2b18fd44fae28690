"""One sentence on how popularity and taste order products that match a search equally well."""

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_decimals
from recommendations.serving.search.models import SearchOrder
from recommendations.serving.search.order.learning import MIN_PAGES, MIN_PEOPLE


def describe_order() -> str:
    """Return whether the weights are the defaults or learned from clicks, and on how many pages that is based."""
    order = SearchOrder.objects.order_by("-is_promoted").first()
    if order is not None and order.is_promoted:
        return _(
            "Products that match equally well are ordered with the weights of a promoted experiment: popularity counts %(popularity)s times "
            "and personal taste %(personal)s times as much as by default."
        ) % {
            "popularity": format_decimals(order.popularity, 1),
            "personal": format_decimals(order.personal, 1),
        }
    if order is None or order.gain is None:
        return _(
            "Products that match equally well are ordered by popularity and personal taste with default weights. Search "
            "learns the weights once %(needed_people)s people have clicked on %(needed_pages)s result pages; so far, "
            "%(people)s people have clicked on %(pages)s pages."
        ) % {
            "needed_pages": number_format(MIN_PAGES, force_grouping=True),
            "needed_people": number_format(MIN_PEOPLE, force_grouping=True),
            "pages": number_format(order.pages if order else 0, force_grouping=True),
            "people": number_format(order.people if order else 0, force_grouping=True),
        }
    if not order.is_served:
        return _(
            "Products that match equally well are ordered by popularity and personal taste with default weights: weights learned from clicks on "
            "%(pages)s pages were not reliably better on later pages."
        ) % {"pages": number_format(order.pages, force_grouping=True)}
    return _(
        "Products that match equally well are ordered with weights learned from clicks on %(pages)s pages: popularity "
        "counts %(popularity)s times and personal taste %(personal)s times as much as by default. On later pages, the "
        "share of product pairs in the same order as the clicks was %(gain)s percentage points higher."
    ) % {
        "pages": number_format(order.pages, force_grouping=True),
        "popularity": format_decimals(order.popularity, 1),
        "personal": format_decimals(order.personal, 1),
        "gain": format_decimals(100 * order.gain, 1),
    }
