"""Distribution of the predicted value over customers, as plain values."""

from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Max

from customers.lifecycle.models import CustomerProfile

EDGE_FACTORS = (1, 2, 5)  # times a power of ten

DECILES = """
    SELECT decile, count(*), min(value), max(value), sum(value), sum(revenue)
    FROM (
        SELECT value, revenue, ntile(10) OVER (ORDER BY value DESC, customer_id) AS decile
        FROM lifecycle_customerprofile WHERE value IS NOT NULL
    ) AS ranked
    GROUP BY decile ORDER BY decile
"""
HISTOGRAM = """
    SELECT width_bucket(value, %s::numeric[]) AS bar, count(*), sum(value)
    FROM lifecycle_customerprofile WHERE value IS NOT NULL
    GROUP BY bar ORDER BY bar
"""


def query_value_deciles() -> list[dict[str, Any]]:
    """Return deciles of customers with a predicted value, most valuable first; fewer rows with fewer than ten."""
    with connection.cursor() as cursor:
        cursor.execute(DECILES)
        rows = cursor.fetchall()
    total = sum(row[4] for row in rows) or Decimal(1)
    return [
        {
            "decile": decile,
            "customers": customers,
            "low": low,
            "high": high,
            "value": value,
            "share": float(value / total),
            "revenue": revenue,
        }
        for decile, customers, low, high, value, revenue in rows
    ]


def query_value_histogram() -> list[dict[str, Any]]:
    """Return histogram bins between 0, 1, 2, 5, 10, 20, 50 …; low is inclusive, high exclusive, None is open."""
    most = CustomerProfile.objects.aggregate(most=Max("value"))["most"]
    if most is None:
        return []
    edges = make_bin_edges(most)
    with connection.cursor() as cursor:
        cursor.execute(HISTOGRAM, [edges])
        found = {bar: (customers, value) for bar, customers, value in cursor.fetchall()}
    ends: list[Decimal | None] = [*edges, None]
    return [
        {
            "low": None if bar == 0 else ends[bar - 1],
            "high": ends[bar],
            "customers": found[bar][0] if bar in found else 0,
            "value": found[bar][1] if bar in found else Decimal(0),
        }
        for bar in range(1 if 0 not in found else 0, len(edges) + (1 if len(edges) in found else 0))
    ]


def make_bin_edges(most: Decimal) -> list[Decimal]:
    """0, and from a hundredth of the power of ten below ``most`` on 1, 2 and 5 times the powers of ten, until one is above it."""
    if most <= 0:
        return [Decimal(0)]
    power = Decimal(10) ** (most.adjusted() - 2)
    edges = [Decimal(0)]
    while edges[-1] <= most:
        edges += [step * power for step in EDGE_FACTORS]
        power *= 10
    return [edge for edge in edges if edge == 0 or edge <= most]
