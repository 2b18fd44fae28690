"""Distribution of the predicted value over customers, as plain values."""

from decimal import Decimal
from typing import TypedDict

from django.db import connection
from django.db.models import Max

from config.foundation.slow_figures import get_figures
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
    SELECT width_bucket(value, %s::numeric[]) AS bin, count(*), sum(value)
    FROM lifecycle_customerprofile WHERE value IS NOT NULL
    GROUP BY bin ORDER BY bin
"""


class ValueDecile(TypedDict):
    """A tenth of the customers by predicted value; share: of the total value."""

    decile: int
    customers: int
    low: Decimal
    high: Decimal
    value: Decimal
    share: float
    revenue: Decimal


class ValueBin(TypedDict):
    """A bar of the value histogram; low is included and high is not, None is an open end."""

    low: Decimal | None
    high: Decimal | None
    customers: int
    value: Decimal


def query_value_deciles() -> list[ValueDecile]:
    """Return the deciles of customers by predicted value, highest first.

    There are fewer with fewer than ten customers.
    """
    return get_figures("value-deciles", list[ValueDecile], _count_deciles)


def _count_deciles() -> list[ValueDecile]:
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


def query_value_histogram() -> list[ValueBin]:
    """Return the bins of the value histogram between 0, 1, 2, 5, 10, 20, 50 …

    low is inclusive and high exclusive; None is an open end. The first bin, below 0, and the last one are left out when empty.
    """
    return get_figures("value-histogram", list[ValueBin], _count_histogram)


def _count_histogram() -> list[ValueBin]:
    max_value = CustomerProfile.objects.aggregate(max_value=Max("value"))["max_value"]
    if max_value is None:
        return []
    edges = make_bin_edges(max_value)
    with connection.cursor() as cursor:
        cursor.execute(HISTOGRAM, [edges])
        totals_by_bin = {index: (customers, value) for index, customers, value in cursor.fetchall()}
    upper_edges: list[Decimal | None] = [*edges, None]
    return [
        {
            "low": None if index == 0 else upper_edges[index - 1],
            "high": upper_edges[index],
            "customers": totals_by_bin[index][0] if index in totals_by_bin else 0,
            "value": totals_by_bin[index][1] if index in totals_by_bin else Decimal(0),
        }
        for index in range(1 if 0 not in totals_by_bin else 0, len(edges) + (1 if len(edges) in totals_by_bin else 0))
    ]


def make_bin_edges(max_value: Decimal) -> list[Decimal]:
    """Return 0, and 1, 2 and 5 times the powers of ten up to ``max_value``.

    They begin two powers of ten below the leading digit of ``max_value``, which gives about ten bins.
    """
    if max_value <= 0:
        return [Decimal(0)]
    power = Decimal(10) ** (max_value.adjusted() - 2)
    edges = [Decimal(0)]
    while edges[-1] <= max_value:
        edges += [step * power for step in EDGE_FACTORS]
        power *= 10
    return [edge for edge in edges if edge == 0 or edge <= max_value]
