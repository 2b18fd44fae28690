"""The fields of a campaign that are locked after its launch."""

from django.utils.translation import gettext as _

from recommendations.campaigns.models import Campaign

# a change of the holdout group or the recipients after the launch would make the result meaningless
LOCKED_AT_LAUNCH = ("channel", "segment", "holdout_share", "required_consent")


def get_locked_fields(campaign: Campaign) -> tuple[str, ...]:
    """Return the fields that can no longer be changed."""
    return () if campaign.status == Campaign.Status.DRAFT else LOCKED_AT_LAUNCH


def get_locked_message() -> str:
    return _("This cannot be changed after launch, so that the result stays measurable.")
