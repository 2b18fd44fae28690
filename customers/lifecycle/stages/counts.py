"""Customers per stage, as plain values for charts and tables."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Q

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
