"""Customers per stage, as plain values for charts and tables."""

from datetime import date, datetime

from django.db import connection
from django.db.models import Count, QuerySet
from django.db.models.functions import Trunc
from django.utils.timezone import get_current_timezone

from config.foundation.slow_figures import get_figures
from customers.lifecycle.models import CustomerProfile, Stage, StageTransition

# one row per stage that was entered (from_stage is NULL), and one per stage that was left (to_stage is NULL)
COUNT_CHANGES = """
    SELECT to_stage, from_stage, count(DISTINCT t.customer_id)
    FROM lifecycle_stagetransition t JOIN lifecycle_customerprofile p ON p.customer_id = t.customer_id
    WHERE t.at >= %s AND t.at < %s
    GROUP BY GROUPING SETS ((to_stage), (from_stage))
"""


def count_entries_and_exits(*, since: datetime, until: datetime) -> dict[str, tuple[int, int]]:
    """Return how many customers entered and how many left each stage in ``[since, until)``, wherever they are now.

    A customer who enters a stage twice counts once.
    """

    def count() -> dict[str, tuple[int, int]]:
        with connection.cursor() as cursor:
            cursor.execute(COUNT_CHANGES, [since, until])
            rows = cursor.fetchall()
        entered = {to_stage: customers for to_stage, from_stage, customers in rows if from_stage is None}
        left = {from_stage: customers for to_stage, from_stage, customers in rows if to_stage is None}
        return {stage: (entered.get(stage, 0), left.get(stage, 0)) for stage in Stage.values}

    return get_figures(f"stage-changes:{since.isoformat()}:{until.isoformat()}", dict[str, tuple[int, int]], count)


def find_customers_with_change(
    *, since: datetime, until: datetime, from_stage: str | None = None, to_stage: str | None = None
) -> QuerySet[CustomerProfile]:
    """Return the profiles of the customers whom `count_entries_and_exits` counts for a stage that they left, or entered."""
    changes = StageTransition.objects.filter(at__gte=since, at__lt=until)
    if from_stage is not None:
        changes = changes.filter(from_stage=from_stage)
    if to_stage is not None:
        changes = changes.filter(to_stage=to_stage)
    return CustomerProfile.objects.filter(pk__in=changes.values("customer_id"))


def query_entries(*, stage: str, since: datetime, until: datetime) -> QuerySet[StageTransition]:
    """Return the stage changes into a stage in ``[since, until)``, without those of customers who were erased."""
    entries = StageTransition.objects.filter(to_stage=stage, at__gte=since, at__lt=until)
    return entries.filter(customer__erased_at__isnull=True)


def count_entries_by_period(entries: QuerySet[StageTransition], *, unit: str) -> dict[date, int]:
    """Return how many customers entered a stage in each week, month or quarter, keyed by its first day in the shop's time zone.

    Periods without an entry are left out. A customer who enters twice in a period counts once.
    """
    rows = (
        entries.annotate(period=Trunc("at", unit, tzinfo=get_current_timezone()))
        .values("period")
        .annotate(customers=Count("customer", distinct=True))
        .order_by("period")
    )
    return {row["period"].date(): row["customers"] for row in rows}
