"""The keys of campaigns by their runs, for the links of their messages."""

from collections.abc import Collection

from recommendations.campaigns.models import CampaignRun


def find_campaign_keys(run_ids: Collection[int]) -> dict[int, str]:
    return dict(CampaignRun.objects.filter(pk__in=run_ids).values_list("pk", "campaign__key"))
