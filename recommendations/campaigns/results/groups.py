"""What the recipients and the holdout group did after a campaign: counted by one statement per question, by intent to treat.

Both groups have the customers who could get the message when a run started. Everybody who was to get it belongs to the recipients,
whether or not it was sent, delivered or opened: the chance that decided about the groups must be the only difference between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import sql

from config.foundation.statistics import Sample
from customers.events.event_taxonomy import Meaning
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import GroupOutcomes, count_outcomes
from recommendations.measurement.outcomes.members import Members

LAUNCH_CLAIM = "launch"  # of the deliveries that were skipped when the run started
GOAL_MEANINGS = {
    Campaign.Goal.ORDER: Meaning.PURCHASE,
    Campaign.Goal.CHECKOUT: Meaning.CHECKOUT,
    Campaign.Goal.CART: Meaning.CART,
    Campaign.Goal.VIEW: Meaning.VIEW,
    Campaign.Goal.REVIEW: Meaning.REVIEW,
}
# a customer's window is from the start of the first run to the end of the attribution window of the last one
MEMBERS = sql.SQL("""
SELECT d.customer_id, CASE WHEN bool_or(d.skip_reason = 'holdout') THEN 'holdout' ELSE 'recipients' END AS member_group,
       min(r.started_at) AS since, max(r.started_at) + %(window)s AS until, min(d.clicked_at) AS clicked_at
FROM sending_delivery d JOIN campaigns_campaignrun r ON r.id = d.origin_id
WHERE d.origin_kind = 'campaign' AND d.origin_id = ANY(%(runs)s) AND d.claim <> 'launch'
GROUP BY d.customer_id
""")


@dataclass(frozen=True)
class GroupOutcome:
    """What a group did in the attribution window.

    Attributes:
        converted: customers who reached the goal. buyers, orders, revenue: sales, net of returns, in the currency of the profiles.
        orders_after_click, revenue_after_click: of customers who clicked, from their click on.
    """

    customers: int = 0
    converted: int = 0
    buyers: int = 0
    orders: int = 0
    revenue: float = 0.0
    revenue_squares: float = 0.0
    orders_after_click: int = 0
    revenue_after_click: float = 0.0

    @property
    def conversion_rate(self) -> float | None:
        return self.converted / self.customers if self.customers else None

    @property
    def revenue_per_customer(self) -> float | None:
        return self.revenue / self.customers if self.customers else None

    @property
    def revenue_sample(self) -> Sample:
        return Sample(self.customers, self.revenue, self.revenue_squares)


def build_members(campaign: Campaign, runs: Sequence[CampaignRun]) -> Members:
    """Return the recipients and the holdout group of these runs."""
    parameters = {"runs": [run.pk for run in runs], "window": timedelta(days=campaign.attribution_days)}
    return Members(MEMBERS, parameters, has_click=True)


def count_groups(campaign: Campaign, runs: Sequence[CampaignRun], *, as_of: datetime) -> dict[bool, GroupOutcome]:
    """Return the outcome of the recipients (False) and of the holdout group (True) of these runs."""
    goal = GOAL_MEANINGS[Campaign.Goal(campaign.goal)]
    counted = count_outcomes(build_members(campaign, runs), as_of=as_of, goal=goal)
    return {
        False: summarize_group(counted.get_group("recipients")),
        True: summarize_group(counted.get_group("holdout")),
    }


def summarize_group(group: GroupOutcomes) -> GroupOutcome:
    return GroupOutcome(
        group.customers,
        group.reached,
        group.buyers,
        group.orders,
        group.revenue,
        float(group.moments.products[OutcomeColumn.REVENUE, OutcomeColumn.REVENUE]),
        group.orders_after_click,
        group.revenue_after_click,
    )
