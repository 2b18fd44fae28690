"""Figures over everybody's profile: plain values for charts and tables, one query each."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from customers.lifecycle.models import CustomerProfile, Stage, StageTransition


def query_stage_counts(*, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Every stage in its order: how many customers stand there now, how many came and how many left in ``[since, until)``."""
    standing = dict(
        CustomerProfile.objects.values("stage").annotate(n=Count("customer")).order_by().values_list("stage", "n")
    )
    moved = StageTransition.objects.filter(at__gte=since, at__lt=until).aggregate(
        **{f"came_{stage}": Count("id", filter=Q(to_stage=stage)) for stage in Stage.values},
        **{f"left_{stage}": Count("id", filter=Q(from_stage=stage)) for stage in Stage.values},
    )
    return [
        {
            "stage": stage,
            "customers": standing.get(stage, 0),
            "came": moved[f"came_{stage}"],
            "left": moved[f"left_{stage}"],
        }
        for stage in Stage.values
    ]
