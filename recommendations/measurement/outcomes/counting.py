"""Counts the outcomes of all groups by one statement: sums and products per group, so no customer leaves the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection
from psycopg import sql

from config.foundation.array_types import Floats
from config.foundation.shop.profile import get_time_zone_name
from customers.lifecycle.facts.amounts import build_kept_share, build_net_amount
from customers.segments.event_counts.meanings import BOUGHT
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.margins import (
    GOODS,
    KNOWN_COSTS,
    MarginBasis,
    choose_margin_basis,
)
from recommendations.measurement.outcomes.members import EARLIER_DAYS, Members
from recommendations.measurement.statistics.moments import GroupMoments

WHOLE = ""  # the part of a breakdown that has everyone
SIZE = len(OutcomeColumn)
MAX_BOOTSTRAPPED = 100_000
PAIRS = tuple(combinations_with_replacement(range(SIZE), 2))

MEMBER = sql.SQL("""
WITH member AS MATERIALIZED ({members}),
span AS MATERIALIZED (SELECT min(earlier) AS first, max(until) AS last FROM member),
bought AS MATERIALIZED (
    SELECT m.customer_id, o.id AS order_number, o.currency, o.placed_at >= m.since AS is_counted,
           o.placed_at < m.assigned_at AS is_earlier, o.kind = 'sale' AS is_sale,
           o.kind = 'return' OR o.status IN ('refunded', 'partly_refunded') AS is_return,
           coalesce(m.click_windows @> o.placed_at, false) AS is_after_click, ({amount})::float8 AS amount,
           ({kept})::float8 AS kept, (abs(o.tax) + abs(o.shipping))::float8 AS extras, abs(o.total)::float8 AS total
    FROM member m JOIN orders_order o ON o.customer_id = m.customer_id AND o.placed_at >= m.earlier AND o.placed_at < m.until
    WHERE o.status <> 'cancelled' AND o.placed_at >= (SELECT first FROM span) AND o.placed_at < (SELECT last FROM span)
)
""")
COUNT = sql.SQL("""
, {goods}
, spent AS (
    SELECT b.customer_id, count(*) FILTER (WHERE is_counted AND is_sale)::float8 AS orders,
           coalesce(sum(amount) FILTER (WHERE is_counted), 0) AS revenue,
           coalesce(sum(
               amount - kept * extras
               - kept * (coalesce(g.cost, 0) + greatest(coalesce(g.sold - coalesce(g.known, 0), b.total - b.extras), 0) * costs.average)
           ) FILTER (WHERE is_counted), 0) AS margin,
           count(*) FILTER (WHERE is_counted AND is_return)::float8 AS returns,
           count(*) FILTER (WHERE is_earlier AND is_sale)::float8 AS earlier_orders,
           coalesce(sum(amount) FILTER (WHERE is_earlier), 0) AS earlier_revenue,
           count(*) FILTER (WHERE is_after_click AND is_sale) AS orders_after_click,
           coalesce(sum(amount) FILTER (WHERE is_after_click), 0) AS revenue_after_click
    FROM bought b CROSS JOIN costs LEFT JOIN goods g ON g.order_number = b.order_number
    GROUP BY 1
),
withdrawn AS (
    SELECT DISTINCT m.customer_id FROM member m
    JOIN identity_consent c ON c.customer_id = m.customer_id AND c.recorded_at >= m.since AND c.recorded_at < m.until
    WHERE c.status = 'withdrawn' AND c.purpose IN ('email', 'sms', 'push')
      AND c.recorded_at >= (SELECT min(since) FROM member) AND c.recorded_at < (SELECT last FROM span)
),
valued AS (
    SELECT m.member_group, m.parts, m.click_windows IS NOT NULL AS has_clicked, coalesce(s.orders_after_click, 0) AS orders_after_click,
           coalesce(s.revenue_after_click, 0) AS revenue_after_click,
           {reached}::int::float8 AS x0, (coalesce(s.orders, 0) > 0)::int::float8 AS x1, coalesce(s.orders, 0) AS x2,
           coalesce(s.revenue, 0) AS x3,
           CASE WHEN costs.coverage >= %(outcome_known)s THEN coalesce(s.margin, 0)
                ELSE coalesce(s.revenue, 0) * %(outcome_margin)s END AS x4,
           coalesce(s.returns, 0) AS x5, coalesce(s.earlier_orders, 0) AS x6, coalesce(s.earlier_revenue, 0) AS x7,
           m.predicted_value AS x8, (w.customer_id IS NOT NULL)::int::float8 AS x9
    FROM member m CROSS JOIN costs LEFT JOIN spent s ON s.customer_id = m.customer_id
    LEFT JOIN withdrawn w ON w.customer_id = m.customer_id {joined}
)
SELECT parts, member_group, (SELECT coverage FROM costs), count(*), count(*) FILTER (WHERE has_clicked),
       sum(orders_after_click)::bigint, sum(revenue_after_click), {sums}
FROM valued
GROUP BY 1, 2
""")
# Events are counted by day, with the seconds of the day of the first and the last one: what happened on the day of the start but
# before it does not count, the last day counts as a whole.
REACHED_BY_EVENT = sql.SQL("""LEFT JOIN LATERAL (
    SELECT true AS reached FROM segments_eventcount c
    CROSS JOIN LATERAL (SELECT width_bucket(
        ((m.until AT TIME ZONE %(outcome_zone)s)::date - DATE '1970-01-01')::smallint, c.days) AS i) AS last
    CROSS JOIN LATERAL (SELECT (m.since AT TIME ZONE %(outcome_zone)s)::date - DATE '1970-01-01' AS day) AS start
    WHERE c.customer_id = m.customer_id
      AND c.series_id = ANY(SELECT e.id FROM segments_eventseries e WHERE e.meaning = %(outcome_goal)s AND e.about = 'any' AND e.name = '')
      AND (c.days[last.i] > start.day
           OR c.days[last.i] = start.day
              AND c.counts[last.i][3] >= extract(epoch FROM (m.since AT TIME ZONE %(outcome_zone)s)::time))
    LIMIT 1
) goal ON true""")
LIST_AMOUNTS = sql.SQL("""
SELECT m.member_group, array_agg(m.amount) FROM (
    SELECT member.member_group, sum(b.amount) AS amount FROM bought b JOIN member USING (customer_id)
    WHERE b.is_counted GROUP BY member.customer_id, member.member_group HAVING sum(b.amount) <> 0
) m GROUP BY 1
""")


@dataclass(frozen=True)
class GroupOutcomes:
    """What a group did in its window.

    Attributes:
        moments: the sums and products of the values of `OutcomeColumn`.
        clicked: customers who clicked a link of a message. orders_after_click, revenue_after_click: theirs, each within the attribution
            window after a click; this is attribution, not effect.
    """

    moments: GroupMoments
    clicked: int = 0
    orders_after_click: int = 0
    revenue_after_click: float = 0.0

    def get_sum(self, column: OutcomeColumn) -> float:
        return float(self.moments.sums[column])

    @property
    def customers(self) -> int:
        return self.moments.n

    @property
    def reached(self) -> int:
        return round(self.get_sum(OutcomeColumn.REACHED))

    @property
    def buyers(self) -> int:
        return round(self.get_sum(OutcomeColumn.ORDERED))

    @property
    def orders(self) -> int:
        return round(self.get_sum(OutcomeColumn.ORDERS))

    @property
    def revenue(self) -> float:
        return self.get_sum(OutcomeColumn.REVENUE)


@dataclass(frozen=True)
class CountedOutcomes:
    """The outcomes of all groups.

    Attributes:
        parts: by part of the breakdown and group; the part `WHOLE` has everyone.
        margin_basis: what the margin is computed from. cost_coverage: the share of the sales with a known cost.
    """

    parts: Mapping[str, Mapping[str, GroupOutcomes]] = field(default_factory=dict)
    margin_basis: MarginBasis = MarginBasis.NO_SALES
    cost_coverage: float = 0.0

    def get_group(self, group: str, part: str = WHOLE) -> GroupOutcomes:
        """Return the outcomes of a group; zeros if nobody is in it."""
        return self.parts.get(part, {}).get(group) or make_empty_outcomes()


def make_empty_outcomes() -> GroupOutcomes:
    return GroupOutcomes(GroupMoments(0, np.zeros(SIZE), np.zeros((SIZE, SIZE))))


def count_outcomes(members: Members, *, as_of: datetime, goal: str = BOUGHT) -> CountedOutcomes:
    """Return the outcomes of every group until ``as_of``, by one statement.

    goal: the meaning of the event that counts as reached, one of `COUNTED_MEANINGS`; a purchase is an order.
    """
    is_order = goal == BOUGHT
    statement = sql.SQL("{member}{rest}").format(
        member=build_member_part(members),
        rest=COUNT.format(
            goods=GOODS,
            reached=sql.SQL("(coalesce(s.orders, 0) > 0)" if is_order else "coalesce(goal.reached, false)"),
            joined=sql.SQL("") if is_order else REACHED_BY_EVENT,
            sums=sql.SQL(", ").join(
                [sql.SQL(f"sum(x{i})") for i in range(SIZE)] + [sql.SQL(f"sum(x{i} * x{j})") for i, j in PAIRS]
            ),
        ),
    )
    values = {**build_values(members, as_of=as_of), "outcome_goal": goal, "outcome_zone": get_time_zone_name()}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    parts = sum_by_part(rows)
    coverage = float(rows[0][2]) if rows else 0.0
    orders = sum(group.orders for group in parts.get(WHOLE, {}).values())
    basis = choose_margin_basis(coverage=coverage, orders=orders, margin_share=settings.VALUE_MARGIN)
    return CountedOutcomes(parts, basis, coverage)


def sum_by_part(rows: Sequence[Sequence[Any]]) -> dict[str, dict[str, GroupOutcomes]]:
    """Return the outcomes by part and group; rows have one per combination of parts, of which every customer is in one only."""
    totals: dict[tuple[str, str], Floats] = {}
    for names, group, _coverage, *numbers in rows:
        figures = np.array(numbers, np.float64)
        for part in names:
            total = totals.get((part, group))
            totals[part, group] = figures if total is None else total + figures
    parts: dict[str, dict[str, GroupOutcomes]] = {}
    for (part, group), (customers, clicked, orders, revenue, *sums) in totals.items():
        moments = build_moments(round(customers), sums)
        parts.setdefault(part, {})[group] = GroupOutcomes(moments, round(clicked), round(orders), float(revenue))
    return parts


def list_amounts(
    members: Members, *, as_of: datetime, counted: CountedOutcomes | None = None
) -> dict[str, list[float]]:
    """Return the revenue of each customer who has one other than 0, by group: what a bootstrap draws from.

    counted: their outcomes; with more than MAX_BOOTSTRAPPED buyers nothing is read, as the other intervals hold for so many.
    """
    if counted and sum(group.buyers for group in counted.parts.get(WHOLE, {}).values()) > MAX_BOOTSTRAPPED:
        return {}
    statement = sql.SQL("{}{}").format(build_member_part(members), LIST_AMOUNTS)
    with connection.cursor() as cursor:
        cursor.execute(statement, build_values(members, as_of=as_of))
        return {group: sorted(amounts) for group, amounts in cursor.fetchall()}


def build_member_part(members: Members) -> sql.Composable:
    return MEMBER.format(
        members=members.build_query(),
        amount=build_net_amount(),
        kept=build_kept_share(),
    )


def build_values(members: Members, *, as_of: datetime) -> dict[str, Any]:
    return {
        **members.parameters,
        "outcome_as_of": as_of,
        "outcome_earlier": EARLIER_DAYS,
        "outcome_known": KNOWN_COSTS,
        "outcome_margin": settings.VALUE_MARGIN,
    }


def build_moments(customers: int, sums: Sequence[float]) -> GroupMoments:
    """Return the moments from the sums of the values, followed by those of the products of PAIRS."""
    products = np.zeros((SIZE, SIZE))
    for (i, j), value in zip(PAIRS, sums[SIZE:], strict=True):
        products[i, j] = products[j, i] = float(value)
    return GroupMoments(customers, np.array(sums[:SIZE], np.float64), products)
