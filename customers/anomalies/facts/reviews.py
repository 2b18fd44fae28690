"""Ratings of reviews by day, product and category, from PostgreSQL."""

from typing import Any

import pyarrow as pa
from django.db import connection

from customers.analytics.expressions.tables import AnalyticsTables
from customers.anomalies.facts.base import FactDays, FactKind

SELECT_RATINGS = """
SELECT (r.written_at AT TIME ZONE %(zone)s)::date - DATE '1970-01-01' AS day, p.product_id, COALESCE(c.path, ''),
    sum(r.rating)::float8, count(*)::float8
FROM feedback_review r JOIN catalog_product p ON p.id = r.product_id LEFT JOIN catalog_category c ON c.id = p.category_id
WHERE r.written_at >= (%(since)s::date)::timestamp AT TIME ZONE %(zone)s
    AND r.written_at < (%(until)s::date + 1)::timestamp AT TIME ZONE %(zone)s AND r.written_at < %(as_of)s
GROUP BY 1, 2, 3
"""


def read_ratings(tables: AnalyticsTables, days: FactDays) -> pa.Table:
    """Return the number of reviews and the sum of their stars, also of hidden ones."""
    values: dict[str, Any] = {"zone": str(tables.zone), "since": days.since, "until": days.until, "as_of": tables.as_of}
    with connection.cursor() as cursor:
        cursor.execute(SELECT_RATINGS, values)
        rows = cursor.fetchall()
    return build_table(REVIEWS, rows)


def build_table(kind: FactKind, rows: list[tuple[object, ...]]) -> pa.Table:
    """Return rows of day, dimensions and measures as a table."""
    types = [pa.int64(), *(pa.string() for _name in kind.dimensions), *(pa.float64() for _name in kind.measures)]
    names = ["day", *kind.dimensions, *kind.measures]
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({name: pa.array(column, type_) for name, column, type_ in zip(names, columns, types, strict=True)})


REVIEWS = FactKind(
    key="reviews", dimensions=("product", "category"), measures=("stars", "reviews"), feed="reviews", read=read_ratings
)
