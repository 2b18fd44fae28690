"""Texts on the effect of campaigns that came from suggestions."""

from datetime import datetime

from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from config.foundation.slow_figures import get_figures_soon
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.summary import CampaignResults, compute_results

UNSENT = (Campaign.Status.DRAFT, Campaign.Status.WAITING, Campaign.Status.SCHEDULED)


def format_points(difference: float) -> str:
    """Return a difference of two shares in percentage points with its sign: +1.9."""
    points = round(difference * 100, 2 if abs(difference) < 0.01 else 1)
    return f"{'+' if points > 0 else '−' if points < 0 else ''}{number_format(abs(points))}"


def describe_campaign_effect(campaign: Campaign, *, as_of: datetime) -> str:
    """Return what a campaign has caused so far, or why that is not known."""
    if campaign.status in UNSENT:
        return capfirst(str(campaign.get_status_display()))
    results = get_figures_soon(
        f"campaign:{campaign.pk}:{campaign.status}:{campaign.runs.count()}",
        CampaignResults,
        lambda: compute_results(campaign, as_of=as_of),
    )
    if results is None:
        return _("Being counted")
    if results.effect is None:
        return _("Unknown: no holdout group")
    effect = results.effect.conversion
    values = {
        "points": format_points(effect.value),
        "low": format_points(effect.low),
        "high": format_points(effect.high),
    }
    return _("%(points)s points (%(low)s to %(high)s)") % values
