"""What the recipients and the holdout group did after a campaign: counted by one statement per question, by intent to treat.

Both groups have the customers who could get the message when a run started. Everybody who was to get it belongs to the recipients,
whether or not it was sent, delivered or opened: the chance that decided about the groups must be the only difference between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from psycopg import sql

from config.foundation.statistics import Sample
from customers.identity.models import Customer
from customers.lifecycle.facts.amounts import build_net_amount
from customers.segments.conditions.compiler import compile_condition
from recommendations.campaigns.models import Campaign, CampaignRun

LAUNCH_CLAIM = "launch"  # of the deliveries that were skipped when the run started
GOAL_FIELDS = {
    Campaign.Goal.ORDER: "bought.any",
    Campaign.Goal.CHECKOUT: "started_checkout",
    Campaign.Goal.CART: "added.any",
    Campaign.Goal.VIEW: "viewed.any",
    Campaign.Goal.REVIEW: "reviewed",
}
# a customer's window is from the start of the first run to the end of the attribution window of the last one
MEMBERS = """
SELECT d.customer_id, bool_or(d.skip_reason = 'holdout') AS is_held_out, min(r.started_at) AS since,
       max(r.started_at) + %(window)s AS until, min(d.clicked_at) AS clicked_at
FROM sending_delivery d JOIN campaigns_campaignrun r ON r.id = d.origin_id
WHERE d.origin_kind = 'campaign' AND d.origin_id = ANY(%(runs)s) AND d.claim <> 'launch'
GROUP BY d.customer_id
"""
COUNT_OUTCOMES = """
WITH member AS MATERIALIZED ({members}),
bought AS (
    SELECT m.customer_id, m.is_held_out, count(*) FILTER (WHERE o.kind = 'sale') AS orders, sum({amount}) AS revenue,
           count(*) FILTER (WHERE o.kind = 'sale' AND o.placed_at >= m.clicked_at) AS orders_after_click,
           sum({amount}) FILTER (WHERE o.placed_at >= m.clicked_at) AS revenue_after_click
    FROM member m
    JOIN orders_order o ON o.customer_id = m.customer_id AND o.placed_at >= m.since AND o.placed_at < m.until
    WHERE o.status <> 'cancelled' AND o.placed_at >= %(first)s AND o.placed_at < %(last)s
    GROUP BY 1, 2
),
grouped AS (SELECT is_held_out, count(*) AS customers FROM member GROUP BY 1)
SELECT g.is_held_out, g.customers, count(b.customer_id) FILTER (WHERE b.orders > 0), coalesce(sum(b.orders), 0),
       coalesce(sum(b.revenue), 0), coalesce(sum(b.revenue * b.revenue), 0), coalesce(sum(b.orders_after_click), 0),
       coalesce(sum(b.revenue_after_click), 0)
FROM grouped g LEFT JOIN bought b ON b.is_held_out = g.is_held_out
GROUP BY 1, 2
"""
COUNT_GOAL = """
WITH member AS MATERIALIZED ({members})
SELECT m.is_held_out, count(*) FROM member m WHERE m.customer_id IN ({reached}) GROUP BY 1
"""


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


def count_outcomes(campaign: Campaign, runs: Sequence[CampaignRun], *, as_of: datetime) -> dict[bool, GroupOutcome]:
    """Return the outcome of the recipients (False) and of the holdout group (True) of these runs."""
    window = timedelta(days=campaign.attribution_days)
    first, last = min(run.started_at for run in runs), max(run.started_at for run in runs) + window
    values: dict[str, Any] = {
        "runs": [run.pk for run in runs],
        "window": window,
        "first": first,
        "last": min(last, as_of),
    }
    amount = build_net_amount()
    statement = sql.SQL(COUNT_OUTCOMES).format(members=sql.SQL(MEMBERS), amount=amount)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    reached = (
        {row[0]: row[2] for row in rows}
        if campaign.goal == Campaign.Goal.ORDER
        else count_goal(campaign, values, as_of=as_of)
    )
    groups = {False: GroupOutcome(), True: GroupOutcome()}
    for is_held_out, customers, buyers, orders, revenue, squares, clicked_orders, clicked_revenue in rows:
        groups[is_held_out] = GroupOutcome(
            customers,
            reached.get(is_held_out, 0),
            buyers,
            int(orders),
            float(revenue),
            float(squares),
            int(clicked_orders),
            float(clicked_revenue),
        )
    return groups


def count_goal(campaign: Campaign, values: dict[str, Any], *, as_of: datetime) -> dict[bool, int]:
    """Return how many of each group had the event of the goal on a day of the attribution window, as segments count events."""
    condition = build_goal_condition(campaign.goal, values["first"].date(), values["last"].date())
    reached = Customer.objects.filter(compile_condition(condition, as_of=as_of))
    statement, parameters = reached.order_by().values("pk").query.sql_with_params()
    names = {f"goal_{number}": value for number, value in enumerate(parameters)}
    filled = statement % tuple(f"%({name})s" for name in names)
    with connection.cursor() as cursor:
        cursor.execute(COUNT_GOAL.format(members=MEMBERS, reached=filled), {**values, **names})
        return dict(cursor.fetchall())


def build_goal_condition(goal: str, first: date, last: date) -> dict[str, object]:
    """Return the segment condition of customers who reached the goal."""
    field = GOAL_FIELDS[Campaign.Goal(goal)]
    return {"field": field, "op": "at_least", "between": [first.isoformat(), last.isoformat()]}
