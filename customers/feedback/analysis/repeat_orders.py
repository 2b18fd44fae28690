"""Whether customers order again after a bad review, compared with similar customers after a good one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from customers.orders.models import Order

HORIZON_DAYS = 30
WINDOW = timedelta(days=365)
MIN_REVIEWERS = 20  # of each kind, in comparable groups
RECENCY_DAYS = (7, 30)  # limits of the groups by days since the last order before the review
FREQUENCIES = (1, 4, 9)  # and by the number of orders before it
Z = 1.959964

# The first review of each customer in the window; orders on the day of the review belong to neither side.
COUNT_STRATA = """
WITH first AS (
    SELECT DISTINCT ON (customer_id) customer_id, rating, written_at
    FROM feedback_review
    WHERE customer_id IS NOT NULL AND written_at >= %(start)s AND written_at < %(end)s
    ORDER BY customer_id, written_at, id
), reviewer AS (
    SELECT f.rating <= 2 AS is_low, before.orders, extract(day FROM f.written_at - before.last_at)::int AS days,
           EXISTS (
               SELECT FROM orders_order o
               WHERE o.customer_id = f.customer_id AND o.kind = 'sale' AND o.status <> %(cancelled)s
                 AND o.placed_at > f.written_at AND o.placed_at <= f.written_at + %(horizon)s
           ) AS returned
    FROM first f
    CROSS JOIN LATERAL (
        SELECT count(*) AS orders, max(o.placed_at) AS last_at FROM orders_order o
        WHERE o.customer_id = f.customer_id AND o.kind = 'sale' AND o.status <> %(cancelled)s
          AND o.placed_at <= f.written_at
    ) before
    WHERE f.rating <> 3 AND before.orders > 0
)
SELECT width_bucket(orders, %(frequencies)s::int[]), width_bucket(days, %(recencies)s::int[]),
       count(*) FILTER (WHERE is_low), count(*) FILTER (WHERE is_low AND returned),
       count(*) FILTER (WHERE NOT is_low), count(*) FILTER (WHERE NOT is_low AND returned)
FROM reviewer GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Stratum:
    """Reviewers with a similar number of orders and days since the last one, and how many of them ordered again."""

    low: int
    low_returned: int
    high: int
    high_returned: int


@dataclass(frozen=True)
class RepeatOrderEffect:
    """Shares of customers who ordered again after a review with 1–2★ (low) and with 4–5★ (high), where both kinds exist.

    Attributes:
        low, high: numbers of customers. low_share, high_share: the shares of them that ordered again, the latter weighted to the
            groups of the former.
        difference, interval_low, interval_high: low_share − high_share with its 95 % interval; None with too few customers.
        unmatched: customers with a low rating for whom there is no comparable customer with a high one.
    """

    horizon_days: int
    low: int
    high: int
    unmatched: int
    low_share: float | None = None
    high_share: float | None = None
    difference: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None


def measure_repeat_orders(*, as_of: datetime) -> RepeatOrderEffect:
    """Return the effect for a year of reviews that are at least 30 days old."""
    horizon = timedelta(days=HORIZON_DAYS)
    values: dict[str, Any] = {
        "start": as_of - horizon - WINDOW,
        "end": as_of - horizon,
        "horizon": horizon,
        "cancelled": Order.Status.CANCELLED.value,
        "frequencies": [limit + 1 for limit in FREQUENCIES],
        "recencies": [limit + 1 for limit in RECENCY_DAYS],
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNT_STRATA, values)
        strata = [Stratum(*row[2:]) for row in cursor.fetchall()]
    return compare_strata(strata)


def compare_strata(strata: Sequence[Stratum]) -> RepeatOrderEffect:
    """Return Σ wₛ·(pₛ − qₛ) over the strata s with both kinds, weighted by the customers with low ratings, wₛ = nₛ / Σ n.

    p and q are the shares that order again after low and high ratings (direct standardization to the former). The variance is
    Σ wₛ²·(p̃(1−p̃)/(n+2) + q̃(1−q̃)/(m+2)), with one success and one failure added to each share (Agresti & Caffo, The American
    Statistician 2000), so that a stratum in which all or none returned is not taken as certain.
    """
    matched = [stratum for stratum in strata if stratum.low and stratum.high]
    low, high = sum(stratum.low for stratum in matched), sum(stratum.high for stratum in matched)
    unmatched = sum(stratum.low for stratum in strata) - low
    if min(low, high) < MIN_REVIEWERS:
        return RepeatOrderEffect(HORIZON_DAYS, low, high, unmatched)
    low_share = sum(stratum.low_returned for stratum in matched) / low
    high_share = sum(stratum.low * stratum.high_returned / stratum.high for stratum in matched) / low
    variance = 0.0
    for stratum in matched:
        p = (stratum.low_returned + 1) / (stratum.low + 2)
        q = (stratum.high_returned + 1) / (stratum.high + 2)
        variance += (stratum.low / low) ** 2 * (p * (1 - p) / (stratum.low + 2) + q * (1 - q) / (stratum.high + 2))
    difference, margin = low_share - high_share, Z * math.sqrt(variance)
    return RepeatOrderEffect(
        HORIZON_DAYS, low, high, unmatched, low_share, high_share, difference, difference - margin, difference + margin
    )
