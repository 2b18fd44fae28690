"""The headline of a campaign's results, for its page and the API."""

from django.utils.translation import gettext as _

from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.summary import CampaignResults
from recommendations.measurement.presentation.sentences import describe_comparison


def describe_results(campaign: Campaign, results: CampaignResults, currency: str) -> str:
    """Return what the campaign earned and how certain that is, or why it has no results."""
    if not results.runs and campaign.status == Campaign.Status.CANCELED:
        return _("The campaign was canceled before a message reached anyone, so it has no results.")
    return describe_comparison(results.comparison, currency)
