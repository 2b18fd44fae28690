"""Customers per stage, as plain values for charts and tables."""

from datetime import date, datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Trunc
from django.utils.timezone import get_current_timezone

from customers.lifecycle.models import CustomerProfile, Stage, StageTransition


def query_stage_counts(*, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Return the current customers per stage, and those who entered and left it.

    The latter are counted in ``[since, until)``.
    """
    current = dict(
        CustomerProfile.objects.values("stage").annotate(n=Count("customer")).order_by().values_list("stage", "n")
    )
    changes = StageTransition.objects.filter(at__gte=since, at__lt=until).aggregate(
        **{f"entered_{stage}": Count("id", filter=Q(to_stage=stage)) for stage in Stage.values},
        **{f"left_{stage}": Count("id", filter=Q(from_stage=stage)) for stage in Stage.values},
    )
    return [
        {
            "stage": stage,
            "customers": current.get(stage, 0),
            "entered": changes[f"entered_{stage}"],
            "left": changes[f"left_{stage}"],
        }
        for stage in Stage.values
    ]


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
