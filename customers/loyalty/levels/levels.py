"""The levels of members: spend and orders are counted, then levels rise immediately and fall after the validity and grace periods.

Each step is one statement for a batch of customers.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from config.foundation.database.array_parameters import format_bigint_list
from customers.lifecycle.facts.amounts import build_net_amount
from customers.loyalty.models import LevelChange, LoyaltyProgram
from customers.loyalty.program import find_level_end, find_period_start, get_shop_day

# What counts towards a level: the net amounts of the documents, and the sales that were neither canceled nor wholly refunded.
STATISTICS = sql.SQL("""
    SELECT o.customer_id, GREATEST(sum({amount}), 0) AS spend,
           count(*) FILTER (WHERE o.kind = 'sale' AND o.status <> 'refunded') AS order_count
    FROM orders_order o
    WHERE o.customer_id IS NOT NULL AND o.status <> 'cancelled' AND o.placed_at <= %(now)s
      AND (%(since)s::timestamptz IS NULL OR o.placed_at >= %(since)s) AND {some}
    GROUP BY o.customer_id
""")
# Whether the spend and orders of `m` reach level `l`; a threshold of 0 is not used.
IS_REACHED = """
    CASE WHEN l.min_spend = 0 AND l.min_orders = 0 THEN true
         WHEN l.requires_both THEN m.spend >= l.min_spend AND m.order_count >= l.min_orders
         ELSE (l.min_spend > 0 AND m.spend >= l.min_spend) OR (l.min_orders > 0 AND m.order_count >= l.min_orders) END
"""
COUNT = sql.SQL("""
WITH statistics AS MATERIALIZED ({statistics})
UPDATE loyalty_loyaltymember m SET spend = COALESCE(s.spend, 0), order_count = COALESCE(s.order_count, 0)
FROM loyalty_loyaltymember o LEFT JOIN statistics s USING (customer_id)
WHERE o.customer_id = m.customer_id AND o.customer_id = ANY(%(ids)s::bigint[])
  AND (m.spend <> COALESCE(s.spend, 0) OR m.order_count <> COALESCE(s.order_count, 0))
""")
# After the validity in the rules was changed from 0 or to 0: levels without an end get one, or lose it.
ADJUST_ENDS = """
UPDATE loyalty_loyaltymember o SET level_until = %(until)s::date
WHERE o.level_id IS NOT NULL AND (o.level_until IS NULL) <> (%(until)s::date IS NULL) AND o.customer_id = ANY(%(ids)s::bigint[])
"""
CHANGE = sql.SQL("""
WITH state AS MATERIALIZED (
    SELECT o.customer_id, o.level_id, o.spend, o.order_count, o.level_until, current.position AS old_position,
           reached.id AS new_id, reached.position AS new_position
    FROM loyalty_loyaltymember o LEFT JOIN loyalty_loyaltylevel current ON current.id = o.level_id
    LEFT JOIN LATERAL (
        SELECT l.id, l.position FROM loyalty_loyaltylevel l, (SELECT o.spend, o.order_count) m
        WHERE {is_reached} ORDER BY l.position DESC LIMIT 1
    ) reached ON true
    WHERE o.customer_id = ANY(%(ids)s::bigint[])
), due AS (
    SELECT state.*, CASE
        WHEN COALESCE(new_position, -1) > COALESCE(old_position, -1)
             THEN CASE WHEN %(reason)s <> '' THEN %(reason)s WHEN level_id IS NULL THEN 'joined' ELSE 'upgrade' END
        WHEN COALESCE(new_position, -1) < COALESCE(old_position, -1) AND level_until < %(lost_before)s::date THEN 'downgrade'
        WHEN new_position = old_position AND level_until < %(today)s::date THEN 'renewal' END AS reason
    FROM state
), changed AS (
    UPDATE loyalty_loyaltymember m
    SET level_id = d.new_id, level_until = CASE WHEN d.new_id IS NOT NULL THEN %(until)s::date END,
        level_since = CASE WHEN d.reason = 'renewal' THEN m.level_since WHEN d.new_id IS NOT NULL THEN %(now)s END
    FROM due d WHERE d.customer_id = m.customer_id AND d.reason IS NOT NULL
)
INSERT INTO loyalty_levelchange (customer_id, from_level_id, to_level_id, at, reason, spend, order_count)
SELECT customer_id, level_id, new_id, %(now)s, reason, spend, order_count
FROM due WHERE reason <> 'renewal' ORDER BY customer_id
""")
MEASURE_DISTANCE = """
UPDATE loyalty_loyaltymember m SET next_level_id = n.id, spend_to_next = n.spend, orders_to_next = n.orders
FROM loyalty_loyaltymember o LEFT JOIN loyalty_loyaltylevel current ON current.id = o.level_id
LEFT JOIN LATERAL (
    SELECT l.id, CASE WHEN l.min_spend > 0 THEN GREATEST(l.min_spend - o.spend, 0) END AS spend,
           CASE WHEN l.min_orders > 0 THEN GREATEST(l.min_orders - o.order_count, 0) END AS orders
    FROM loyalty_loyaltylevel l WHERE l.position > COALESCE(current.position, -1) ORDER BY l.position LIMIT 1
) n ON true
WHERE o.customer_id = m.customer_id AND o.customer_id = ANY(%(ids)s::bigint[])
  AND (m.next_level_id, m.spend_to_next, m.orders_to_next) IS DISTINCT FROM (n.id, n.spend, n.orders)
"""
EVERYONE = sql.SQL("true")
SOME = sql.SQL("o.customer_id = ANY(%(ids)s::bigint[])")


def build_statistics(some: sql.Composable = EVERYONE) -> sql.Composable:
    """Return the query of what counts towards levels, by customer."""
    return STATISTICS.format(amount=build_net_amount(), some=some)


def recompute_levels(*, program: LoyaltyProgram, now: datetime, customer_ids: Collection[int], reason: str = "") -> int:
    """Count spend and orders of locked members, and change the levels that are due; return the number of changes.

    Args:
        reason: recorded for upgrades that are not due to the customer: `LevelChange.Reason.RULES`.
    """
    today = get_shop_day(now)
    parameters: dict[str, Any] = {
        "ids": format_bigint_list(sorted(customer_ids)),
        "now": now,
        "since": find_period_start(program, now),
        "today": today,
        "lost_before": today - timedelta(days=program.grace_days),
        "until": find_level_end(program, now),
        "reason": reason,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(COUNT.format(statistics=build_statistics(SOME)), parameters)
        cursor.execute(ADJUST_ENDS, parameters)
        cursor.execute(CHANGE.format(is_reached=sql.SQL(IS_REACHED)), parameters)
        changes = int(cursor.rowcount)
        cursor.execute(MEASURE_DISTANCE, parameters)
    return changes


RULES_REASON = LevelChange.Reason.RULES.value
