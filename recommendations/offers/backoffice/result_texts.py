"""The sentence about the results of an offer."""

from django.utils.translation import gettext as _

from config.foundation.number_formats import format_count, format_decimals
from recommendations.offers.models import Offer
from recommendations.offers.results import OfferResults


def describe_results(offer: Offer, results: OfferResults) -> str:
    """Say whether more people bought because of the offer, or why that cannot be said yet."""
    if offer.status == Offer.Status.DRAFT:
        return _("A draft: start it to show it to visitors.")
    if not results.shows:
        return _("No visitor has seen this offer yet.")
    if results.difference is None or results.low is None or results.high is None:
        return describe_missing_comparison(offer, results)
    interval = {
        "difference": format_decimals(results.difference * 100, 1),
        "low": format_decimals(results.low * 100, 1),
        "high": format_decimals(results.high * 100, 1),
        "days": results.window_days,
    }
    if results.low > 0:
        text = _(
            "The offer brought more buyers within %(days)d days: %(difference)s percentage points (95%% interval %(low)s to %(high)s)."
        )
    elif results.high < 0:
        text = _(
            "The offer brought fewer buyers within %(days)d days: %(difference)s percentage points (95%% interval %(low)s to %(high)s)."
        )
    else:
        text = _(
            "No effect on buyers found yet: %(difference)s percentage points within %(days)d days (95%% interval %(low)s to %(high)s)."
        )
    return text % interval


def describe_missing_comparison(offer: Offer, results: OfferResults) -> str:
    """Say why the groups cannot be compared: one of them has no customers."""
    if not offer.holdout_share and not results.held_out.people:
        text = _("It was shown %(shows)s times. Without a holdout group, its effect on orders cannot be measured.")
    elif not results.shown.people:
        text = _(
            "It was shown %(shows)s times, but not to a known customer yet, so its effect on orders cannot be measured yet."
        )
    else:
        text = _(
            "It was shown %(shows)s times. No known customer is in its holdout group yet, so its effect on orders cannot be measured yet."
        )
    return text % {"shows": format_count(results.shows)}


def describe_order_effect(results: OfferResults) -> str:
    """Say how many more orders a person placed because of the offer; empty if a group is too small."""
    if results.order_difference is None or results.order_low is None or results.order_high is None:
        return ""
    text = _("Orders per customer: %(difference)s compared with the holdout group (95%% interval %(low)s to %(high)s).")
    numbers = {"difference": results.order_difference, "low": results.order_low, "high": results.order_high}
    return text % {name: f"{'+' if value > 0 else ''}{format_decimals(value, 2)}" for name, value in numbers.items()}
