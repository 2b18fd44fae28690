"""Finds the keys and numbers of campaigns by their runs, for links in messages and for holdout groups."""

from collections.abc import Collection

from recommendations.campaigns.models import CampaignRun


def find_campaign_keys(run_ids: Collection[int]) -> dict[int, str]:
    return dict(CampaignRun.objects.filter(pk__in=run_ids).values_list("pk", "campaign__key"))


def find_campaign_numbers(run_ids: Collection[int]) -> dict[int, int]:
    """Return the campaign number of each run."""
    return dict(CampaignRun.objects.filter(pk__in=run_ids).values_list("pk", "campaign_id"))
