"""Retention of impressions, exposures and run records: old months are dropped, other old rows deleted or made anonymous."""

from datetime import UTC, date, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from psycopg import sql

from config.foundation.database.partitions import MonthlyPartitions, list_partitions
from config.foundation.job_runs import JobStatus
from config.foundation.retention.aged_rows import delete_in_chunks
from customers.events.retention import CHUNK, get_month_end, get_month_start
from recommendations.serving.impressions.models import (
    PerformanceRun,
    PositionBiasRun,
    ProductPerformanceDay,
)

IMPRESSION_PARTITIONS = MonthlyPartitions("serving_impression", "served_at")
# The result of an experiment can always be computed again: it needs the customer, or for a visitor who is not known as a customer, only
# the fact that there was one. Before identifiers are removed, the customers they belong to are stored.
FORGET_UNITS = """
UPDATE experiments_experimentexposure e
SET unit_key = 'ended:' || e.id, customer_id = coalesce(
    (SELECT i.customer_id FROM identity_identifier i
     WHERE i.kind = split_part(e.unit_key, ':', 1) AND i.value = substr(e.unit_key, strpos(e.unit_key, ':') + 1)), e.customer_id)
WHERE e.id = ANY(ARRAY(
    SELECT old.id FROM experiments_experiment x JOIN experiments_experimentexposure old ON old.experiment_id = x.id
    WHERE x.status IN ('stopped', 'promoted') AND x.stopped_at < %s AND old.unit_key ~ '^(user_id|anonymous_id):' LIMIT %s
))
"""


def purge_impressions(*, before: datetime) -> tuple[list[str], int]:
    """Drop months that end before the limit and delete older rows of the others.

    Return the partitions and number of rows.
    """
    dropped, deleted = [], 0
    for name, month in list_partitions(of=IMPRESSION_PARTITIONS):
        partition = sql.Identifier(name)
        if month is not None and get_month_end(month) <= before:
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("DROP TABLE {partition}").format(partition=partition).as_string(None))
            dropped.append(name)
        elif month is None or get_month_start(month) < before.astimezone(UTC):
            deleted += delete_in_chunks(name, "old.served_at < %(before)s", {"before": before}, chunk=CHUNK)
    return dropped, deleted


def forget_experiment_units(*, before: datetime) -> int:
    """Remove the identifiers from the exposures of experiments that ended before the limit; return the number of exposures.

    Exposures of running experiments stay as they are, and none is ever deleted.
    """
    forgotten = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(FORGET_UNITS, [before, CHUNK])
            forgotten += cursor.rowcount
            if cursor.rowcount < CHUNK:
                return forgotten


def purge_product_performance(*, before: date) -> int:
    """Delete older daily figures of products, which are many; those of placements stay. Return the number of rows."""
    return ProductPerformanceDay.objects.filter(day__lt=before).delete()[0]


def purge_runs(*, before: datetime) -> int:
    """Delete older run records except the latest successful one of each type; return the number."""
    return purge_runs_except_newest(PerformanceRun.objects.all(), before) + purge_runs_except_newest(
        PositionBiasRun.objects.all(), before
    )


def purge_runs_except_newest(runs: QuerySet[Any], before: datetime) -> int:
    newest = runs.filter(status=JobStatus.DONE).order_by("-started_at").values_list("pk", flat=True).first()
    return runs.filter(started_at__lt=before).exclude(pk=newest).delete()[0]
