"""Previews which level each customer would have under other rules, without saving the rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from psycopg import sql

from customers.loyalty.levels.levels import IS_REACHED, build_statistics
from customers.loyalty.models import LoyaltyLevel, LoyaltyProgram
from customers.loyalty.program import find_period_start

PREVIEW = sql.SQL("""
WITH statistics AS MATERIALIZED ({statistics}), l AS (
    SELECT * FROM unnest(%(positions)s::int[], %(spends)s::numeric[], %(orders)s::int[], %(both)s::boolean[])
         AS row (position, min_spend, min_orders, requires_both)
), member AS (
    SELECT COALESCE(s.spend, 0) AS spend, COALESCE(s.order_count, 0) AS order_count, mine.level_id
    FROM statistics s FULL JOIN loyalty_loyaltymember mine USING (customer_id)
)
SELECT m.level_id, reached.position, count(*)
FROM member m LEFT JOIN LATERAL (
    SELECT l.position FROM l WHERE {is_reached} ORDER BY l.position DESC LIMIT 1
) reached ON true
GROUP BY m.level_id, reached.position
""")


@dataclass(frozen=True)
class LevelPreview:
    """The number of members of a level now and under the previewed rules. rising, falling: those coming from a lower or higher level."""

    level: LoyaltyLevel | None
    now: int
    then: int
    rising: int
    falling: int


def preview_levels(*, program: LoyaltyProgram, levels: Sequence[LoyaltyLevel], at: datetime) -> list[LevelPreview]:
    """Return what the rules would do, the lowest level first, then customers without a level. Nothing is saved.

    levels: as they would be; a level that exists already is recognized by its primary key.
    """
    parameters = {
        "now": at,
        "since": find_period_start(program, at),
        "ids": [],
        "positions": [level.position for level in levels],
        "spends": [Decimal(level.min_spend) for level in levels],
        "orders": [level.min_orders for level in levels],
        "both": [level.requires_both for level in levels],
    }
    with connection.cursor() as cursor:
        cursor.execute(PREVIEW.format(statistics=build_statistics(), is_reached=sql.SQL(IS_REACHED)), parameters)
        rows = cursor.fetchall()
    positions = {level.pk: level.position for level in levels if level.pk}
    known = [(positions.get(level_id, -1), -1 if then is None else then, count) for level_id, then, count in rows]
    return [
        LevelPreview(
            level,
            now=sum(count for now, _then, count in known if now == position),
            then=sum(count for _now, then, count in known if then == position),
            rising=sum(count for now, then, count in known if now < then == position),
            falling=sum(count for now, then, count in known if now > then == position),
        )
        for level, position in [*((level, level.position) for level in levels), (None, -1)]
    ]
