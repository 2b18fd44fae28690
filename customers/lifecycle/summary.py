"""The summary of all customers' lifecycle, as plain values."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Sum

from customers.lifecycle.clv.queries import query_value_deciles, query_value_histogram
from customers.lifecycle.models import CustomerProfile, RfmGroup, ScoreModel, Stage
from customers.lifecycle.refresh.score_models import load_latest_score_models
from customers.lifecycle.rfm.queries import BASES, get_profiles_run, get_window_days, query_rfm_cells, query_rfm_groups
from customers.lifecycle.stages.flows import count_stage_flows, sum_flows_by_stage


def summarize_lifecycle(*, since: datetime, until: datetime) -> dict[str, Any]:
    """Return stages before and after, stage changes, RFM groups and the total value.

    Errors: ValueError as for `count_stage_flows`.
    """
    rows = count_stage_flows(since=since, until=until)
    latest = get_profiles_run()
    totals = CustomerProfile.objects.filter(value__isnull=False).aggregate(
        customers=Count("customer"), total=Sum("value")
    )
    score_models = load_latest_score_models()
    purchase_model = score_models.get(ScoreModel.Kind.PURCHASE_MODEL)
    # a value needs both models: how often customers order, and how much they spend
    needed = [purchase_model, score_models.get(ScoreModel.Kind.SPEND)]
    missing = next((score_model for score_model in needed if score_model and score_model.reason), None)
    return {
        "as_of": latest.as_of if latest else None,
        "since": since,
        "until": until,
        "stages": [
            {"key": stage, "name": str(Stage(stage).label), "before": before, "after": after}
            for stage, (before, after) in sum_flows_by_stage(rows).items()
        ],
        "transitions": [row for row in rows if row["from_stage"] != row["to_stage"]],
        "rfm": summarize_rfm_groups(),
        "value": {
            "customers": totals["customers"],
            "total": totals["total"] or 0,
            "algorithm": purchase_model.algorithm if purchase_model else "",
            "reason": missing.reason if missing else "",
            "reason_name": str(missing.get_reason_display()) if missing else "",
        },
    }


def count_figures(*, as_of: datetime) -> None:
    """Compute the figures of all customers that pages show, so that slow ones are already cached for the first reader."""
    for basis in BASES.values():
        query_rfm_cells(basis=basis)
        query_rfm_groups(basis=basis, as_of=as_of)
    query_value_deciles()
    query_value_histogram()


def summarize_rfm_groups() -> dict[str, Any]:
    """Return customers and revenue per RFM group, of all time and of the window."""
    run = get_profiles_run()
    groups = {key: query_rfm_groups(basis=basis, as_of=run.as_of) if run else {} for key, basis in BASES.items()}
    return {
        **{
            key: [
                {
                    "key": group,
                    "name": str(RfmGroup(group).label),
                    "customers": row["customers"],
                    "revenue": row["revenue"],
                }
                for group, row in rows.items()
            ]
            for key, rows in groups.items()
        },
        "window_days": get_window_days(run) if run else None,
    }
