"""The keys and numbers of campaigns by their runs, for links of messages and holdout groups."""

from collections.abc import Collection

from recommendations.campaigns.models import CampaignRun


def find_campaign_keys(run_ids: Collection[int]) -> dict[int, str]:
    return dict(CampaignRun.objects.filter(pk__in=run_ids).values_list("pk", "campaign__key"))


def find_campaign_numbers(run_ids: Collection[int]) -> dict[int, int]:
    """Return the number of the campaign of each."""
    return dict(CampaignRun.objects.filter(pk__in=run_ids).values_list("pk", "campaign_id"))
