"""Who may see and change campaigns in the back office."""

from django.http import Http404

from recommendations.campaigns.models import Campaign

VIEW = "campaigns.view_campaign"
ADD = "campaigns.add_campaign"
CHANGE = "campaigns.change_campaign"
APPROVE = "campaigns.approve_campaign"
EXPORT = "campaigns.add_audienceexport"
ADD_SEGMENT = "segments.add_segment"


def get_campaign(campaign_id: int | str) -> Campaign:
    """Return a campaign with its segment and message. Raises Http404 for an unknown one."""
    text = str(campaign_id)
    campaign = (
        Campaign.objects.select_related(
            "segment", "template", "test_template", "created_by", "submitted_by", "approved_by"
        )
        .filter(pk=int(text))
        .first()
        if text.isascii() and text.isdigit() and len(text) < 19
        else None
    )
    if campaign is None:
        raise Http404("Unknown campaign.")
    return campaign
