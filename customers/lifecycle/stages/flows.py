"""Flows of customers between stages from one time to another, by stage changes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from config.foundation.slow_figures import get_figures
from customers.lifecycle.models import CustomerProfile, Stage, StageTransition

# The stage at a time is the one that the first change after it left, or the current one without such a change: so only the changes
# since then are read, not the whole history. '' is the stage of customers who were not known yet.
STAGES_AT_BOTH_MOMENTS = """
    SELECT p.customer_id, COALESCE(l.stage_at_since, p.stage) AS from_stage, COALESCE(l.stage_at_until, p.stage) AS to_stage
    FROM lifecycle_customerprofile p
    LEFT JOIN (
        SELECT customer_id, (array_agg(from_stage ORDER BY at, id))[1] AS stage_at_since,
               (array_agg(from_stage ORDER BY at, id) FILTER (WHERE at >= %s))[1] AS stage_at_until
        FROM lifecycle_stagetransition
        WHERE at >= %s
        GROUP BY customer_id
    ) AS l USING (customer_id)
"""  # parameters: until, since
COUNT_FLOWS = f"""
    SELECT from_stage, to_stage, count(*) FROM ({STAGES_AT_BOTH_MOMENTS}) AS state
    WHERE to_stage <> '' GROUP BY from_stage, to_stage
"""  # noqa: S608
SELECT_CUSTOMERS = f"""
    SELECT customer_id FROM ({STAGES_AT_BOTH_MOMENTS}) AS state
    WHERE from_stage = COALESCE(%s, from_stage) AND to_stage = COALESCE(%s, to_stage) AND to_stage <> ''
"""  # noqa: S608
SELECT_IN_STAGES = f"SELECT customer_id FROM ({STAGES_AT_BOTH_MOMENTS}) AS state WHERE from_stage = ANY(%s)"  # noqa: S608

STAGE_ORDER = {"": -1, **{stage: position for position, stage in enumerate(Stage.values)}}


def count_stage_flows(*, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Return the customers per pair of stages just before ``since`` and just before ``until``.

    from_stage is "" for those who were not known then. Customers not known before ``until`` are left out,
    so the counts sum to the customers of that time. Customers erased or merged since are not counted.

    Errors: ValueError when ``until`` is before ``since``.
    """
    validate_range(since, until)

    def count() -> list[dict[str, Any]]:
        with connection.cursor() as cursor:
            cursor.execute(COUNT_FLOWS, [until, since])
            rows = cursor.fetchall()
        rows.sort(key=lambda row: (STAGE_ORDER[row[0]], STAGE_ORDER[row[1]]))
        return [{"from_stage": old, "to_stage": new, "customers": customers} for old, new, customers in rows]

    return get_figures(f"stage-flows:{since.isoformat()}:{until.isoformat()}", list[dict[str, Any]], count)


def find_customers_in_flow(
    *, since: datetime, until: datetime, from_stage: str | None, to_stage: str | None
) -> QuerySet[CustomerProfile]:
    """Return the profiles of the flows of `count_stage_flows` between two stages; None is any stage. Errors: as there."""
    validate_range(since, until)
    customer_ids = RawSQL(SELECT_CUSTOMERS, [until, since, from_stage, to_stage])  # noqa: S611
    return CustomerProfile.objects.filter(pk__in=customer_ids)


def query_customers_in_stages(*, at: datetime, stages: Sequence[str]) -> QuerySet[CustomerProfile]:
    """Return the profiles of customers who were in one of the stages just before a moment; customers erased since are not among them."""
    return CustomerProfile.objects.filter(pk__in=RawSQL(SELECT_IN_STAGES, [at, at, list(stages)]))  # noqa: S611


def has_changes_since(moment: datetime) -> bool:
    """Return whether a stage changed at the moment or later, so that the stages then are no longer the current ones."""
    return StageTransition.objects.filter(at__gte=moment).exists()


def sum_flows_by_stage(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Return the customers per stage before and after.

    Those not known before have no stage then.
    """
    before, after = dict.fromkeys(["", *Stage.values], 0), dict.fromkeys(Stage.values, 0)
    for row in rows:
        before[row["from_stage"]] += row["customers"]
        after[row["to_stage"]] += row["customers"]
    return {stage: (before[stage], after[stage]) for stage in Stage.values}


def validate_range(since: datetime, until: datetime) -> None:
    if until < since:
        raise ValueError(
            f"until ({until.isoformat()}) is before since ({since.isoformat()}); since must be the earlier one."
        )
