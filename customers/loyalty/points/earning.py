"""Points for orders, reviews and survey answers: posted as the difference from what the ledger already has for each cause."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg import sql

from config.foundation.database.array_parameters import format_bigint_list
from customers.lifecycle.facts.amounts import build_amount_currency, build_net_amount
from customers.loyalty.models import LoyaltyProgram
from customers.loyalty.points.ledger import refresh_expiry
from customers.loyalty.program import find_expiry_day

# What the ledger has for the orders of customers. An order keeps the rate and the currency of its first entry, so that neither a later
# level nor another currency of amounts changes its points. Entries from before the column have no currency: they were in that of the order.
POSTED = sql.SQL("""
    SELECT e.customer_id, e.order_number, e.kind, sum(e.points) AS points, max(e.id) AS last_id,
           (array_agg(e.rate ORDER BY e.id))[1] AS rate, (array_agg(e.currency ORDER BY e.id))[1] AS currency,
           max(e.reference) AS order_id
    FROM loyalty_pointentry e
    WHERE e.customer_id = ANY(%(ids)s::bigint[]) AND e.order_number IS NOT NULL
    GROUP BY e.customer_id, e.order_number, e.kind
""")
POSTED_CURRENCY = sql.SQL("COALESCE(NULLIF(p.currency, ''), o.currency)")
COUNTED_CURRENCY = sql.SQL(
    "CASE WHEN p.last_id IS NULL THEN {currency} ELSE COALESCE(NULLIF(p.currency, ''), o.currency) END"
)
# The cause names the last entry of the order: two processes that see the same ledger post the same cause, and the second one adds nothing.
POST = sql.SQL("""
INSERT INTO loyalty_pointentry (customer_id, kind, points, at, cause, order_number, rate, currency, expires_on, reference)
SELECT customer_id, kind, points, %(now)s,
       format('order:%%s:%%s:%%s:%%s', order_number, kind, customer_id, last_id),
       order_number, rate, currency, CASE WHEN points > 0 THEN %(expires_on)s::date END, order_id
FROM difference WHERE points <> 0 ORDER BY customer_id, order_number, kind DESC
ON CONFLICT (cause) DO NOTHING
""")
# Everything but returns with a document of their own, which follow. A bonus that is added later does not apply to orders already counted.
AWARD_ORDERS = sql.SQL("""
WITH ledger AS MATERIALIZED ({posted}), document AS MATERIALIZED (
    SELECT o.id, o.customer_id, o.order_id, o.currency, o.kind = 'return' AS is_return,
           CASE WHEN o.status = 'cancelled' THEN 0 ELSE {amount} END AS amount,
           COALESCE(l.points_per_unit, %(rate)s) AS rate
    FROM orders_order o
    JOIN loyalty_loyaltymember m ON m.customer_id = o.customer_id
    LEFT JOIN loyalty_loyaltylevel l ON l.id = m.level_id
    LEFT JOIN ledger p ON p.customer_id = o.customer_id AND p.order_number = o.id AND p.kind = 'order'
    WHERE o.customer_id = ANY(%(ids)s::bigint[]) AND o.placed_at >= %(since)s AND o.placed_at <= %(now)s
), multiplied AS (
    SELECT d.id, sum(line.total * (bonus.multiplier - 1)) / NULLIF(sum(line.total), 0) AS extra
    FROM document d JOIN orders_orderline line ON line.order_id = d.id
    JOIN catalog_product p ON p.id = line.product_id
    LEFT JOIN catalog_category c ON c.id = p.category_id
    CROSS JOIN LATERAL (
        SELECT COALESCE(max(b.multiplier), 1) AS multiplier
        FROM loyalty_categorybonus b JOIN catalog_category parent ON parent.id = b.category_id
        WHERE c.path = parent.path OR starts_with(c.path, parent.path || ' > ')
    ) bonus
    WHERE NOT d.is_return AND EXISTS (SELECT FROM loyalty_categorybonus)
    GROUP BY d.id
), posted AS (
    SELECT * FROM ledger p
    WHERE NOT EXISTS (SELECT FROM document d WHERE d.id = p.order_number AND d.customer_id = p.customer_id AND d.is_return)
), wanted AS (
    SELECT id, customer_id, order_id, amount, 'order' AS kind, currency, rate FROM document WHERE NOT is_return
    UNION ALL
    SELECT d.id, d.customer_id, d.order_id, d.amount, 'category_bonus', d.currency,
           CASE WHEN counted.last_id IS NULL THEN COALESCE(m.extra, 0) * d.rate ELSE 0 END
    FROM document d LEFT JOIN multiplied m USING (id)
    LEFT JOIN posted counted ON counted.order_number = d.id AND counted.customer_id = d.customer_id AND counted.kind = 'order'
    WHERE NOT d.is_return
), difference AS (
    SELECT COALESCE(w.customer_id, p.customer_id) AS customer_id, COALESCE(w.id, p.order_number) AS order_number,
           COALESCE(w.order_id, p.order_id) AS order_id, COALESCE(w.kind, p.kind) AS kind, COALESCE(p.last_id, 0) AS last_id,
           round(COALESCE(p.rate, w.rate), 12) AS rate, COALESCE(NULLIF(p.currency, ''), w.currency, '') AS currency,
           trunc(round(COALESCE(w.amount, 0) * round(COALESCE(p.rate, w.rate), 12), 4))::bigint - COALESCE(p.points, 0) AS points
    FROM wanted w FULL JOIN posted p ON p.order_number = w.id AND p.kind = w.kind AND p.customer_id = w.customer_id
)
{post}
""")
# A return with a document of its own does not name the order, so it takes back points at the average rate of the sales before it, at most
# those that they still hold. Only sales before it count, so that a return that took back nothing takes back nothing later either, and only
# those in its currency, also if amounts are in another one meanwhile: a sale whose amount did not count holds no points.
# With the missing points M of each return in their order, their sum W and the points H held, T = min(T before + M, H) are taken in all,
# which is W + min(0, smallest H - W so far): a running sum and a running minimum. The rate is rounded up, so that it gives the same points.
AWARD_RETURNS = sql.SQL("""
WITH returned AS MATERIALIZED (
    SELECT DISTINCT o.customer_id FROM orders_order o
    WHERE o.customer_id = ANY(%(ids)s::bigint[]) AND o.kind = 'return' AND o.placed_at >= %(since)s AND o.placed_at <= %(now)s
), posted AS ({posted}), document AS (
    SELECT o.id, o.customer_id, o.order_id, o.currency, o.placed_at, o.kind = 'return' AS is_return, k.kind,
           CASE WHEN o.status = 'cancelled' THEN 0 ELSE {amount} END AS amount,
           COALESCE(p.points, 0) AS points, p.rate, COALESCE(p.last_id, 0) AS last_id
    FROM returned JOIN orders_order o USING (customer_id)
    CROSS JOIN (VALUES ('order'), ('category_bonus')) AS k (kind)
    LEFT JOIN posted p ON p.customer_id = o.customer_id AND p.order_number = o.id AND p.kind = k.kind
    WHERE o.placed_at >= %(since)s AND o.placed_at <= %(now)s
), history AS (
    SELECT d.*, bool_or(d.last_id > 0) OVER (PARTITION BY d.id) AS is_counted,
           sum(GREATEST(d.amount, 0)) FILTER (WHERE NOT d.is_return) OVER before AS sold,
           sum(GREATEST(d.points, 0)) FILTER (WHERE NOT d.is_return) OVER before AS earned,
           COALESCE(sum(d.points) FILTER (WHERE d.is_return) OVER (PARTITION BY d.customer_id, d.kind, d.currency), 0) AS taken
    FROM document d
    WINDOW before AS (PARTITION BY d.customer_id, d.kind, d.currency ORDER BY d.placed_at, d.is_return, d.id)
), due AS (
    SELECT h.*, GREATEST(COALESCE(earned, 0) + taken, 0) AS held,
           trunc(round(-amount * COALESCE(round(rate, 12), CASE WHEN NOT is_counted AND sold > 0 THEN earned / sold END, 0), 4))
               + points AS missing
    FROM history h WHERE is_return
), added AS (
    SELECT due.*, sum(GREATEST(missing, 0)) OVER (PARTITION BY customer_id, kind, currency ORDER BY placed_at, id) AS total FROM due
), limited AS (
    SELECT added.*, total + LEAST(min(held - total) OVER (PARTITION BY customer_id, kind, currency ORDER BY placed_at, id), 0) AS allowed
    FROM added
), taking AS (
    SELECT limited.*, LEAST(missing, 0)
               + allowed - COALESCE(lag(allowed) OVER (PARTITION BY customer_id, kind, currency ORDER BY placed_at, id), 0) AS take
    FROM limited
), difference AS (
    SELECT customer_id, id AS order_number, order_id, kind, currency, last_id, -take::bigint AS points,
           COALESCE(rate, ceil(take / NULLIF(-amount, 0) * 1e12) / 1e12) AS rate
    FROM taking
)
{post}
""")
AWARD_REVIEWS = """
INSERT INTO loyalty_pointentry (customer_id, kind, points, at, cause, expires_on)
SELECT r.customer_id, 'review', %(review_points)s, %(now)s, 'review:' || r.id, %(expires_on)s::date
FROM feedback_review r
WHERE r.customer_id = ANY(%(ids)s::bigint[]) AND r.written_at >= %(since)s AND r.written_at <= %(now)s AND %(review_points)s > 0
ORDER BY r.id
ON CONFLICT (cause) DO NOTHING
"""
AWARD_SURVEYS = """
INSERT INTO loyalty_pointentry (customer_id, kind, points, at, cause, expires_on)
SELECT s.customer_id, 'survey', %(survey_points)s, %(now)s, 'survey:' || s.id, %(expires_on)s::date
FROM feedback_surveyanswer s
WHERE s.customer_id = ANY(%(ids)s::bigint[]) AND s.answered_at >= %(since)s AND s.answered_at <= %(now)s AND %(survey_points)s > 0
ORDER BY s.id
ON CONFLICT (cause) DO NOTHING
"""


def award_points(*, customer_ids: Collection[int], program: LoyaltyProgram, now: datetime) -> int:
    """Post the points that these members have earned or given back since the last time; return the number of entries.

    Runs in the caller's transaction, which must have locked the members.
    """
    if not customer_ids or program.started_at is None:
        return 0
    parameters: dict[str, Any] = {
        "ids": format_bigint_list(sorted(customer_ids)),
        "rate": program.points_per_unit,
        "since": program.started_at,
        "now": now,
        "expires_on": find_expiry_day(program, now),
        "review_points": program.review_points,
        "survey_points": program.survey_points,
    }
    added = 0
    with connection.cursor() as cursor:
        currency = COUNTED_CURRENCY.format(currency=build_amount_currency())
        for order_statement, counted in ((AWARD_ORDERS, currency), (AWARD_RETURNS, POSTED_CURRENCY)):
            amount = build_net_amount(counted)
            cursor.execute(order_statement.format(amount=amount, posted=POSTED, post=POST), parameters)
            added += cursor.rowcount
        for statement in (AWARD_REVIEWS, AWARD_SURVEYS):
            cursor.execute(statement, parameters)
            added += cursor.rowcount
    if added:
        refresh_expiry(customer_ids)
    return added
