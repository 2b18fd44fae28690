"""Where all customers stand, as plain values."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Sum

from customers.lifecycle.cards import latest_cards
from customers.lifecycle.models import CustomerProfile, LifecycleRun, ScoreModel, Stage
from customers.lifecycle.movement import movement, standing


def lifecycle_summary(*, since: datetime, until: datetime) -> dict[str, Any]:
    """Stages before and after, the moves between, and the value of all who have one. Errors: ValueError as `movement`."""
    rows = movement(since=since, until=until)
    newest = LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).order_by("-as_of", "-id").first()
    told = CustomerProfile.objects.filter(value__isnull=False).aggregate(
        customers=Count("customer"), total=Sum("value")
    )
    card = latest_cards().get(ScoreModel.Kind.BUYING)
    return {
        "as_of": newest.as_of if newest else None,
        "since": since,
        "until": until,
        "stages": [
            {"key": stage, "name": str(Stage(stage).label), "before": before, "after": after}
            for stage, (before, after) in standing(rows).items()
        ],
        "moves": [row for row in rows if row["from_stage"] != row["to_stage"]],
        "value": {
            "customers": told["customers"],
            "total": told["total"] or 0,
            "algorithm": card.algorithm if card else "",
            "reason": card.reason if card else "",
            "reason_name": str(card.get_reason_display()) if card else "",
        },
    }
