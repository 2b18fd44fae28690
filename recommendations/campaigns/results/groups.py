"""Who belongs to the result of a campaign: the recipients and the holdout group, as they were assigned when a run or export started."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg import sql

from customers.events.event_taxonomy import Meaning
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.measurement.assignment_records import Kind, build_assigned_members
from recommendations.measurement.outcomes.members import Members

LAUNCH_CLAIM = "launch"  # of the deliveries that were skipped when the run started
GOAL_MEANINGS = {
    Campaign.Goal.ORDER: Meaning.PURCHASE,
    Campaign.Goal.CHECKOUT: Meaning.CHECKOUT,
    Campaign.Goal.CART: Meaning.CART,
    Campaign.Goal.VIEW: Meaning.VIEW,
    Campaign.Goal.REVIEW: Meaning.REVIEW,
}
CLICKS = sql.SQL("""
SELECT customer_id, range_agg(tstzrange(clicked_at, clicked_at + %(click_window)s)) AS click_windows FROM sending_delivery
WHERE origin_kind = 'campaign' AND origin_id = ANY(%(runs)s) AND clicked_at IS NOT NULL GROUP BY 1
""")
DELIVERIES = sql.SQL("""
SELECT id, customer_id, sent_at, choices FROM sending_delivery
WHERE origin_kind = 'campaign' AND origin_id = ANY(%(runs)s) AND sent_at IS NOT NULL
""")


def build_members(campaign: Campaign, runs: Sequence[CampaignRun], *, until: datetime) -> Members:
    """Return the recipients and the holdout group.

    Each counts from the first run or export on which the customer was assigned to the end of the last window, which is the same for all:
    who is in the segment again for a later run may depend on the message of an earlier one.
    """
    return build_assigned_members(
        kind=Kind.CAMPAIGN,
        scope_id=campaign.pk,
        until=until,
        clicks=CLICKS,
        parameters={"runs": [run.pk for run in runs], "click_window": timedelta(days=campaign.attribution_days)},
    )
