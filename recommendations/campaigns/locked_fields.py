"""What may be changed about a campaign, and when."""

from django.utils.translation import gettext as _

from recommendations.campaigns.models import Campaign

# who is held out and who gets it must stay as they were when the campaign went out
SETTLED_AT_LAUNCH = ("channel", "segment", "holdout_share", "required_consent")


def settled_fields(campaign: Campaign) -> tuple[str, ...]:
    """The fields that no longer change."""
    return () if campaign.status == Campaign.Status.DRAFT else SETTLED_AT_LAUNCH


def settled_message() -> str:
    return _("This stays as it was when the campaign was launched, so that its result can be known.")
