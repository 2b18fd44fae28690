"""What is known of customers at a moment: from orders, events and messages before it, never after it.

The profile holds only the present, so the features of past campaigns are counted again as of their start, and the predicted value is the
one stored with the assignment; what came later would carry the effect of the message.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import connection
from psycopg import sql

from config.foundation.array_types import Floats
from config.foundation.shop.profile import get_time_zone_name
from customers.events.event_taxonomy import Meaning
from customers.lifecycle.facts.amounts import build_net_amount

RECENT = timedelta(days=90)
FEATURES = (
    "orders",
    "revenue",
    "days_since_order",
    "days_since_first_order",
    "recent_orders",
    "recent_revenue",
    "recent_views",
    "recent_carts",
    "recent_messages",
    "recent_clicks",
    "predicted_value",
)
# `member` has customer_id, since, predicted_value (as it was then), and any other columns, which come first in the result
QUERY = sql.SQL("""
WITH member AS MATERIALIZED ({members}),
bought AS (
    SELECT m.customer_id, m.since, count(*) FILTER (WHERE o.kind = 'sale') AS orders, sum({amount})::float8 AS revenue,
           max(o.placed_at) FILTER (WHERE o.kind = 'sale') AS last_at, min(o.placed_at) FILTER (WHERE o.kind = 'sale') AS first_at,
           count(*) FILTER (WHERE o.kind = 'sale' AND o.placed_at >= m.since - %(recent)s) AS recent_orders,
           coalesce(sum({amount}) FILTER (WHERE o.placed_at >= m.since - %(recent)s), 0)::float8 AS recent_revenue
    FROM member m JOIN orders_order o ON o.customer_id = m.customer_id AND o.placed_at < m.since
    WHERE o.status <> 'cancelled' GROUP BY 1, 2
),
written AS (
    SELECT m.customer_id, m.since, count(d.sent_at) AS messages,
           count(*) FILTER (WHERE d.clicked_at < m.since) AS clicks
    FROM member m JOIN sending_delivery d ON d.customer_id = m.customer_id
    WHERE d.sent_at < m.since AND d.sent_at >= m.since - %(recent)s GROUP BY 1, 2
)
SELECT m.*, coalesce(b.orders, 0)::float8, coalesce(b.revenue, 0), extract(epoch FROM m.since - b.last_at)::float8 / 86400,
       extract(epoch FROM m.since - b.first_at)::float8 / 86400, coalesce(b.recent_orders, 0)::float8,
       coalesce(b.recent_revenue, 0), coalesce(v.events, 0)::float8, coalesce(k.events, 0)::float8,
       coalesce(w.messages, 0)::float8, coalesce(w.clicks, 0)::float8, m.predicted_value::float8
FROM member m
LEFT JOIN bought b ON b.customer_id = m.customer_id AND b.since = m.since
LEFT JOIN written w ON w.customer_id = m.customer_id AND w.since = m.since
{views} {carts}
""")
# events are counted by day: those of the days before the start
EVENTS = sql.SQL("""LEFT JOIN LATERAL (
    SELECT sum(coalesce(c.counts[upper.i][1], 0) - coalesce(c.counts[lower.i][1], 0)) AS events FROM segments_eventcount c
    CROSS JOIN LATERAL (SELECT (m.since AT TIME ZONE %(zone)s)::date - DATE '1970-01-01' AS day) AS start
    CROSS JOIN LATERAL (SELECT width_bucket((start.day - 1)::smallint, c.days) AS i) AS upper
    CROSS JOIN LATERAL (SELECT width_bucket((start.day - 1 - {days})::smallint, c.days) AS i) AS lower
    WHERE c.customer_id = m.customer_id AND c.series_id = ANY(
        SELECT e.id FROM segments_eventseries e WHERE e.meaning = {meaning} AND e.about = 'any' AND e.name = '')
) {name} ON true""")


def read_members(members: sql.Composable, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the members' own columns, followed by those of FEATURES."""
    statement = QUERY.format(
        members=members,
        amount=build_net_amount(),
        views=build_event_count("v", Meaning.VIEW),
        carts=build_event_count("k", Meaning.CART),
    )
    values: dict[str, Any] = {**parameters, "recent": RECENT, "zone": get_time_zone_name()}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def build_event_count(name: str, meaning: Meaning) -> sql.Composable:
    return EVENTS.format(name=sql.Identifier(name), meaning=sql.Literal(str(meaning)), days=sql.Literal(RECENT.days))


def build_matrix(rows: list[tuple[Any, ...]]) -> Floats:
    """Return the features, (n, k), the last columns of the rows; NaN where nothing is known."""
    if not rows:
        return np.empty((0, len(FEATURES)))
    return np.array([row[-len(FEATURES) :] for row in rows], dtype=np.float64)
