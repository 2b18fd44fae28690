"""The fields of a campaign that are locked after its launch, or after its audience was exported."""

from django.utils.translation import gettext as _

from recommendations.campaigns.models import Campaign

# a change of the holdout group or the recipients after the launch would make the result meaningless
AUDIENCE_FIELDS = ("channel", "segment", "excluded_segments", "holdout_share", "required_consent")
MEASUREMENT_FIELDS = ("goal", "attribution_days")
TEST_FIELDS = ("test_template", "test_share", "test_hours", "test_metric")
MESSAGE_FIELDS = ("template", "is_transactional", "priority", *TEST_FIELDS)
SCHEDULE_FIELDS = (
    "kind",
    "starts_at",
    "frequency",
    "weekdays",
    "month_day",
    "send_time",
    "uses_customer_time",
    "ends_on",
)
# what may change while the campaign runs applies to its next run; name and description may always change
EDITABLE_WHILE_RECURRING = (*SCHEDULE_FIELDS, "priority")
OPEN_STATUSES = (Campaign.Status.DRAFT,)  # one that waits for approval is returned to draft before it is edited


def get_locked_fields(campaign: Campaign) -> tuple[str, ...]:
    """Return the fields that can no longer be changed."""
    if campaign.status in OPEN_STATUSES:
        # a campaign that another program sends is never launched: its first export has assigned the customers to the groups
        return (*AUDIENCE_FIELDS, *MEASUREMENT_FIELDS) if campaign.exports.exists() else ()
    fields = (*AUDIENCE_FIELDS, *MEASUREMENT_FIELDS, *MESSAGE_FIELDS, *SCHEDULE_FIELDS)
    if campaign.status in (Campaign.Status.ENDED, Campaign.Status.CANCELED):
        return fields
    if campaign.kind == Campaign.Kind.RECURRING:
        return tuple(field for field in fields if field not in EDITABLE_WHILE_RECURRING or field == "kind")
    return fields


def get_locked_message(campaign: Campaign) -> str:
    if campaign.status in OPEN_STATUSES:
        return _(
            "This cannot be changed after the audience was exported, so that the result stays measurable. Copy the campaign instead."
        )
    return _("This cannot be changed after launch, so that the result stays measurable.")
