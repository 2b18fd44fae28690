"""Texts on the effect of campaigns that came from suggestions."""

from datetime import datetime

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from config.foundation.slow_figures import get_figures_soon
from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.summary import CampaignResults, compute_results, name_results
from recommendations.measurement.comparison import ComparisonVerdict
from recommendations.measurement.presentation.formats import format_interval, format_signed_money

UNSENT = (Campaign.Status.DRAFT, Campaign.Status.WAITING, Campaign.Status.SCHEDULED)


def describe_campaign_effect(campaign: Campaign, *, as_of: datetime) -> str:
    """Return the additional revenue of a campaign with its interval, or why that is not known."""
    if campaign.get_shown_status() in UNSENT:
        return capfirst(str(campaign.get_status_display()))
    results = get_figures_soon(name_results(campaign), CampaignResults, lambda: compute_results(campaign, as_of=as_of))
    if results is None:
        return _("Being computed")
    comparison = results.comparison
    if comparison.verdict == ComparisonVerdict.UNEVEN_GROUPS:
        return _("Unknown: the group sizes do not match the planned shares")
    if comparison.revenue is None and comparison.has_holdout:
        return _("Unknown: too few customers")
    if comparison.revenue is None:
        return _("Unknown: no holdout group")
    currency, total = get_amount_currency(), comparison.revenue.total
    values = {
        "value": format_signed_money(total.value, currency),
        "interval": format_interval(total, lambda value: format_signed_money(value, currency)),
    }
    if comparison.is_final:
        return _("Revenue %(value)s (%(interval)s)") % values
    return _("Revenue %(value)s so far (%(interval)s)") % values
