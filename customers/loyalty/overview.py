"""The figures of the program: members by level, points by month, and what the outstanding points are worth."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection

from config.foundation.shop.profile import get_time_zone_name
from config.foundation.slow_figures import get_figures
from customers.loyalty.models import LoyaltyProgram
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
COUNT_MEMBERS = """
SELECT level_id, count(*), COALESCE(sum(balance), 0),
       count(*) FILTER (WHERE balance > 0), COALESCE(sum(balance) FILTER (WHERE balance > 0), 0), count(*) FILTER (WHERE balance < 0),
       count(*) FILTER (WHERE next_expiry_on BETWEEN %(today)s AND %(until)s),
       COALESCE(sum(next_expiry_points) FILTER (WHERE next_expiry_on BETWEEN %(today)s AND %(until)s), 0)
FROM loyalty_loyaltymember GROUP BY level_id
"""
# Customers with orders become members in the order of their numbers, so the newest customers, who have some of the latest orders, are the
# last ones. A part of the orders is enough to see whether that was done.
IS_UNCOUNTED = """
SELECT EXISTS (
    SELECT FROM (
        SELECT customer_id FROM orders_order WHERE customer_id IS NOT NULL AND placed_at < %s ORDER BY placed_at DESC LIMIT 1000
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
    """The members of a level, or those without one, and the sum of their balances."""

    level_id: int | None
    members: int
    points: int


@dataclass(frozen=True)
class ProgramFigures:
    """The figures of the overview.

    Attributes:
        holders: members with points. outstanding: the sum of the positive balances.
    """

    as_of: datetime
    members: int
    holders: int
    outstanding: int
    negative_members: int
    expiring_members: int
    expiring_points: int
    levels: list[LevelCount]
    months: list[MonthOfPoints]

    def count_level(self, level_id: int | None) -> LevelCount:
        """Return the members of a level; there are none if nobody has it."""
        return next((row for row in self.levels if row.level_id == level_id), LevelCount(level_id, 0, 0))


def get_program_figures(*, now: datetime) -> ProgramFigures:
    """Return the figures of the program, cached for some minutes if they take long."""
    return get_figures(f"loyalty:{get_shop_day(now)}", ProgramFigures, lambda: compute_figures(now=now))


def compute_figures(*, now: datetime) -> ProgramFigures:
    """Count the figures of the program as of now."""
    today = get_shop_day(now)
    with connection.cursor() as cursor:
        cursor.execute(COUNT_MEMBERS, {"today": today, "until": add_months(today, 1)})
        rows = cursor.fetchall()
        since = add_months(today.replace(day=1), 1 - MONTHS)
        cursor.execute(COUNT_BY_MONTH, {"zone": get_time_zone_name(), "since": since})
        months = [MonthOfPoints(month, *map(int, points)) for month, *points in cursor.fetchall()]
    members, _points, holders, outstanding, negative, expiring_members, expiring_points = (
        sum(int(row[column]) for row in rows) for column in range(1, 8)
    )
    return ProgramFigures(
        as_of=now,
        members=members,
        holders=holders,
        outstanding=outstanding,
        negative_members=negative,
        expiring_members=expiring_members,
        expiring_points=expiring_points,
        levels=[LevelCount(level_id, count, int(points)) for level_id, count, points, *_others in rows],
        months=months,
    )


def is_uncounted(program: LoyaltyProgram) -> bool:
    """Return whether customers who ordered before the rules were saved still wait for the first count."""
    if not program.is_enabled:
        return False
    with connection.cursor() as cursor:
        cursor.execute(IS_UNCOUNTED, [program.updated_at])
        return bool(cursor.fetchone()[0])
