"""What the data shows about a past campaign: redemptions, revenue with coupons, and how the recipients differed before it started."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from psycopg import sql

from config.foundation.shop.profile import get_time_zone, get_time_zone_name
from customers.lifecycle.facts.amounts import build_net_amount
from recommendations.past_campaigns.models import PastCampaign

BEFORE_DAYS = 90

# others: customers with an order in the days before the start, whether or not they got another campaign
COMPARE = """
WITH recipient AS (SELECT DISTINCT unnest(recipient_ids) AS customer_id FROM past_campaigns_pastcampaign WHERE id = %(campaign)s),
spent AS (
    SELECT o.customer_id, coalesce(sum({amount}) FILTER (WHERE o.placed_at < %(start)s), 0)::float8 AS before,
           coalesce(sum({amount}) FILTER (WHERE o.placed_at >= %(start)s), 0)::float8 AS during,
           count(*) FILTER (WHERE o.placed_at < %(start)s AND o.kind = 'sale') AS orders_before
    FROM orders_order o
    WHERE o.customer_id IS NOT NULL AND o.status <> 'cancelled' AND o.placed_at >= %(since)s AND o.placed_at < %(until)s
    GROUP BY 1
)
SELECT r.customer_id IS NOT NULL, count(*), coalesce(avg(s.before), 0), coalesce(avg(s.orders_before), 0), coalesce(avg(s.during), 0)
FROM (SELECT * FROM spent WHERE orders_before > 0) s LEFT JOIN recipient r USING (customer_id)
GROUP BY 1
"""
REDEEMED = """
WITH redeemed AS (
    SELECT DISTINCT customer_id, day FROM past_campaigns_pastcampaign, unnest(redeemer_ids, redemption_days) AS row (customer_id, day)
    WHERE id = %(campaign)s
)
SELECT count(DISTINCT o.id), coalesce(sum({amount}), 0)::float8
FROM redeemed r JOIN orders_order o ON o.customer_id = r.customer_id AND o.kind = 'sale' AND o.status <> 'cancelled'
 AND o.placed_at >= r.day::timestamp AT TIME ZONE %(zone)s AND o.placed_at < (r.day + 1)::timestamp AT TIME ZONE %(zone)s
"""


@dataclass(frozen=True)
class GroupSpending:
    """Customers with an order in the days before the start: revenue and orders of these days, and revenue of the campaign, per customer."""

    customers: int = 0
    revenue_before: float = 0.0
    orders_before: float = 0.0
    revenue_during: float = 0.0


@dataclass(frozen=True)
class PastEvidence:
    """What is known about a past campaign.

    Attributes:
        redeemers: recipients who redeemed a coupon. orders_with_coupon, revenue_with_coupon: on the redemption days; attributed, not caused.
        recipients, others: their spending. ratio: how many times as much recipients spent before the start; None without orders before.
    """

    recipients_count: int
    redeemers: int
    redemptions: int
    orders_with_coupon: int
    revenue_with_coupon: float
    recipients: GroupSpending
    others: GroupSpending

    @property
    def redemption_rate(self) -> float | None:
        return self.redeemers / self.recipients_count if self.recipients_count else None

    @property
    def ratio(self) -> float | None:
        return self.recipients.revenue_before / self.others.revenue_before if self.others.revenue_before else None


def gather_evidence(campaign: PastCampaign, *, as_of: datetime) -> PastEvidence:
    """Count everything with two SQL statements."""
    zone = get_time_zone_name()
    values: dict[str, Any] = {
        "campaign": campaign.pk,
        "zone": zone,
        "since": make_start(campaign.starts_on - timedelta(days=BEFORE_DAYS)),
        "start": make_start(campaign.starts_on),
        "until": min(make_start(campaign.ends_on + timedelta(days=1)), as_of),
    }
    amount = build_net_amount()
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(COMPARE).format(amount=amount), values)
        groups = {is_recipient: GroupSpending(*rest) for is_recipient, *rest in cursor.fetchall()}
        cursor.execute(sql.SQL(REDEEMED).format(amount=amount), values)
        orders, revenue = cursor.fetchone()
    return PastEvidence(
        recipients_count=len(set(campaign.recipient_ids)),
        redeemers=len(set(campaign.redeemer_ids)),
        redemptions=len(campaign.redeemer_ids),
        orders_with_coupon=orders,
        revenue_with_coupon=revenue,
        recipients=groups.get(True, GroupSpending()),
        others=groups.get(False, GroupSpending()),
    )


def make_start(day: date) -> datetime:
    """Return the start of a day of the shop."""
    return datetime.combine(day, datetime.min.time(), get_time_zone())
