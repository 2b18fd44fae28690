"""What is known of customers at a moment: from orders, events and messages before it, never after it.

The profile holds only the present, so the features of past campaigns are counted again as of their start, and the predicted value is the
one stored with the assignment; what came later would carry the effect of the message.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
from psycopg import sql

from config.foundation.array_types import Floats
from config.foundation.database.binary_copy import iterate_numbers
from config.foundation.shop.profile import get_time_zone_name
from customers.events.event_taxonomy import Meaning
from customers.lifecycle.facts.amounts import build_net_amount
from customers.segments.models import EventSeries

RECENT = timedelta(days=90)
BLOCK_BYTES = 8_000_000  # about 45,000 customers
FLAGS = ("is_", "has_")
NO_SERIES = -1
FEATURES = (
    "orders",
    "revenue",
    "days_since_order",
    "days_since_first_order",
    "recent_orders",
    "recent_revenue",
    "recent_views",
    "recent_visit_days",
    "recent_carts",
    "recent_messages",
    "recent_clicks",
    "predicted_value",
)
# `member` has customer_id, since, predicted_value (as it was then), and any other columns. One customer can be in several actions.
QUERY = sql.SQL("""
WITH member AS MATERIALIZED ({members}),
moment AS MATERIALIZED (SELECT DISTINCT customer_id, since FROM member),
bought AS (
    SELECT m.customer_id, m.since, count(*) FILTER (WHERE o.kind = 'sale') AS orders, sum({amount})::float8 AS revenue,
           max(o.placed_at) FILTER (WHERE o.kind = 'sale') AS last_at, min(o.placed_at) FILTER (WHERE o.kind = 'sale') AS first_at,
           count(*) FILTER (WHERE o.kind = 'sale' AND o.placed_at >= m.since - %(recent)s) AS recent_orders,
           coalesce(sum({amount}) FILTER (WHERE o.placed_at >= m.since - %(recent)s), 0)::float8 AS recent_revenue
    FROM moment m JOIN orders_order o ON o.customer_id = m.customer_id AND o.placed_at < m.since
    WHERE o.status <> 'cancelled' GROUP BY 1, 2
),
written AS (
    SELECT m.customer_id, m.since, count(d.sent_at) AS messages,
           count(*) FILTER (WHERE d.clicked_at < m.since) AS clicks
    FROM moment m JOIN sending_delivery d ON d.customer_id = m.customer_id
    WHERE d.sent_at < m.since AND d.sent_at >= m.since - %(recent)s GROUP BY 1, 2
),
viewed AS ({views}),
added AS ({carts})
SELECT m.*, coalesce(b.orders, 0) AS orders, coalesce(b.revenue, 0) AS revenue,
       extract(epoch FROM m.since - b.last_at) / 86400 AS days_since_order,
       extract(epoch FROM m.since - b.first_at) / 86400 AS days_since_first_order,
       coalesce(b.recent_orders, 0) AS recent_orders, coalesce(b.recent_revenue, 0) AS recent_revenue,
       coalesce(v.events, 0) AS recent_views, coalesce(v.days, 0) AS recent_visit_days, coalesce(k.events, 0) AS recent_carts,
       coalesce(w.messages, 0) AS recent_messages, coalesce(w.clicks, 0) AS recent_clicks
FROM member m
LEFT JOIN bought b ON b.customer_id = m.customer_id AND b.since = m.since
LEFT JOIN written w ON w.customer_id = m.customer_id AND w.since = m.since
LEFT JOIN viewed v ON v.customer_id = m.customer_id AND v.since = m.since
LEFT JOIN added k ON k.customer_id = m.customer_id AND k.since = m.since
""")
# events are stored as daily counts, so only the days before the start count
EVENTS = sql.SQL("""
    SELECT m.customer_id, m.since, coalesce(c.counts[upper.i][1], 0) - coalesce(c.counts[lower.i][1], 0) AS events, upper.i - lower.i AS days
    FROM moment m JOIN segments_eventcount c ON c.customer_id = m.customer_id AND c.series_id = {series}
    CROSS JOIN LATERAL (SELECT (m.since AT TIME ZONE %(zone)s)::date - DATE '1970-01-01' AS day) AS start
    CROSS JOIN LATERAL (SELECT width_bucket((start.day - 1)::smallint, c.days) AS i) AS upper
    CROSS JOIN LATERAL (SELECT width_bucket((start.day - 1 - {days})::smallint, c.days) AS i) AS lower
""")


def read_features(
    members: sql.Composable, parameters: Mapping[str, Any], columns: Mapping[str, str]
) -> Iterator[tuple[dict[str, Any], Floats]]:
    """Yield blocks of the members' own columns by name, and of the features, (n, k), NaN where nothing is known.

    columns: of the members, with i for a whole number and f for another number or a flag.
    """
    query = QUERY.format(
        members=members,
        amount=build_net_amount(),
        views=build_event_count(Meaning.VIEW),
        carts=build_event_count(Meaning.CART),
    )
    own = [
        sql.SQL(
            "{}::bigint" if letter == "i" else "{}::int::float8" if name.startswith(FLAGS) else "{}::float8"
        ).format(sql.Identifier(name))
        for name, letter in columns.items()
    ]
    known = [sql.SQL("coalesce({}::float8, 'NaN')").format(sql.Identifier(name)) for name in FEATURES]
    statement = sql.SQL("SELECT {} FROM ({}) AS counted").format(sql.SQL(", ").join([*own, *known]), query)
    values = {**parameters, "recent": RECENT, "zone": get_time_zone_name()}
    letters = {**columns, **dict.fromkeys(FEATURES, "f")}
    for block in iterate_numbers(statement, letters, parameters=values, block_bytes=BLOCK_BYTES):
        yield {name: block[name] for name in columns}, np.column_stack([block[name] for name in FEATURES])


def build_event_count(meaning: Meaning) -> sql.Composable:
    """Return the query of the events of a meaning. Its series is a literal, so that one partition of the counts is read."""
    series = EventSeries.objects.filter(meaning=meaning, about=EventSeries.About.ANY, name="").values_list("pk").first()
    return EVENTS.format(series=sql.Literal(series[0] if series else NO_SERIES), days=sql.Literal(RECENT.days))
