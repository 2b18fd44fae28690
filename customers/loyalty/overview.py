"""The figures of the program: members by level, points by month, and what the outstanding points are worth."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Count, Sum

from config.foundation.shop.profile import get_time_zone_name
from customers.loyalty.models import LoyaltyLevel, LoyaltyMember, LoyaltyProgram
from customers.loyalty.program import add_months, get_shop_day

MONTHS = 6
COUNT_BY_MONTH = """
SELECT date_trunc('month', at AT TIME ZONE %(zone)s)::date AS month,
       COALESCE(sum(points) FILTER (WHERE points > 0), 0),
       COALESCE(-sum(points) FILTER (WHERE kind = 'redemption'), 0),
       COALESCE(-sum(points) FILTER (WHERE kind = 'expiry'), 0),
       COALESCE(-sum(points) FILTER (WHERE points < 0 AND kind NOT IN ('redemption', 'expiry')), 0)
FROM loyalty_pointentry WHERE at >= %(since)s::timestamp AT TIME ZONE %(zone)s GROUP BY 1 ORDER BY 1 DESC
"""
COUNT_EXPIRING = """
SELECT count(*), COALESCE(sum(next_expiry_points), 0) FROM loyalty_loyaltymember WHERE next_expiry_on BETWEEN %s AND %s
"""
# Counting the rules makes all customers with orders members at once, so a part of the orders shows whether that was done.
IS_UNCOUNTED = """
SELECT EXISTS (
    SELECT FROM (
        SELECT customer_id FROM orders_order WHERE customer_id IS NOT NULL AND placed_at < %s ORDER BY id LIMIT 1000
    ) o JOIN identity_customer c ON c.id = o.customer_id
    WHERE c.erased_at IS NULL AND NOT EXISTS (SELECT FROM loyalty_loyaltymember m WHERE m.customer_id = o.customer_id)
)
"""


@dataclass(frozen=True)
class MonthOfPoints:
    """The points of a month. reversed: taken back for returns, or by hand."""

    month: date
    issued: int
    spent: int
    expired: int
    reversed: int


@dataclass(frozen=True)
class LevelCount:
    level: LoyaltyLevel | None
    members: int
    points: int


@dataclass(frozen=True)
class ProgramFigures:
    """The figures of the overview.

    Attributes:
        holders: members with points. outstanding: the sum of the positive balances; liability: its value in money.
        is_uncounted: whether customers who ordered before the rules were saved still wait for the first count.
    """

    members: int
    holders: int
    outstanding: int
    liability: Decimal
    negative_members: int
    expiring_members: int
    expiring_points: int
    levels: list[LevelCount]
    months: list[MonthOfPoints]
    is_uncounted: bool = False


def compute_figures(program: LoyaltyProgram, *, now: datetime) -> ProgramFigures:
    """Return the figures of the program as of now."""
    counts = {
        level_id: (members, points or 0)
        for level_id, members, points in LoyaltyMember.objects.values_list("level_id")
        .annotate(members=Count("pk"), points=Sum("balance"))
        .order_by()
    }
    levels: list[LoyaltyLevel | None] = [*LoyaltyLevel.objects.order_by("-position"), None]
    positive = LoyaltyMember.objects.filter(balance__gt=0).aggregate(holders=Count("pk"), points=Sum("balance"))
    outstanding = positive["points"] or 0
    today = get_shop_day(now)
    month = today.replace(day=1)
    with connection.cursor() as cursor:
        cursor.execute(COUNT_BY_MONTH, {"zone": get_time_zone_name(), "since": add_months(month, 1 - MONTHS)})
        months = [MonthOfPoints(*row) for row in cursor.fetchall()]
        cursor.execute(COUNT_EXPIRING, [today, add_months(today, 1)])
        expiring_members, expiring_points = cursor.fetchone()
        is_uncounted = False
        if program.is_enabled:
            cursor.execute(IS_UNCOUNTED, [program.updated_at])
            (is_uncounted,) = cursor.fetchone()
    return ProgramFigures(
        members=sum(members for members, _points in counts.values()),
        holders=positive["holders"],
        outstanding=outstanding,
        liability=Decimal(outstanding) * program.point_value,
        negative_members=LoyaltyMember.objects.filter(balance__lt=0).count(),
        expiring_members=expiring_members,
        expiring_points=int(expiring_points),
        levels=[LevelCount(level, *counts.get(level.pk if level else None, (0, 0))) for level in levels],
        months=months,
        is_uncounted=is_uncounted,
    )
