"""Where all customers stand, as plain values."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Sum

from customers.lifecycle.models import CustomerProfile, LifecycleRun, RfmGroup, ScoreModel, Stage
from customers.lifecycle.refresh.score_models import latest_cards
from customers.lifecycle.rfm.queries import BASES, profiles_run, rfm_groups, window_days
from customers.lifecycle.stages.flows import movement, standing


def lifecycle_summary(*, since: datetime, until: datetime) -> dict[str, Any]:
    """Stages before and after, the moves between, the RFM groups, and the value of all who have one. Errors: ValueError as `movement`."""
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
        "rfm": rfm_summary(),
        "value": {
            "customers": told["customers"],
            "total": told["total"] or 0,
            "algorithm": card.algorithm if card else "",
            "reason": card.reason if card else "",
            "reason_name": str(card.get_reason_display()) if card else "",
        },
    }


def rfm_summary() -> dict[str, Any]:
    """Customers and revenue of every RFM group, of all time and of the window."""
    run = profiles_run()
    groups = {key: rfm_groups(basis=basis, as_of=run.as_of) if run else {} for key, basis in BASES.items()}
    return {
        **{
            key: [
                {
                    "key": group,
                    "name": str(RfmGroup(group).label),
                    "customers": row["customers"],
                    "revenue": row["revenue"],
                }
                for group, row in found.items()
            ]
            for key, found in groups.items()
        },
        "window_days": window_days(run) if run else None,
    }
