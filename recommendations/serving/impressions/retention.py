"""How long impressions are kept: whole months are dropped, what lies in the month of the limit is deleted. Records of runs too."""

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from psycopg import sql

from config.foundation.database.partitions import Monthly, existing_partitions
from customers.events.retention import CHUNK, delete_in_chunks, end_of, start_of
from recommendations.serving.impressions.models import PerformanceRun, PositionBiasRun, RunStatus

IMPRESSIONS = Monthly("serving_impression", "served_at")
DELETE = """
DELETE FROM {partition} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {partition} WHERE served_at < %s LIMIT %s))
"""


def purge_impressions(*, before: datetime) -> tuple[list[str], int]:
    """Drops the months that end before, and deletes the older rows of the others; the dropped partitions and how many rows."""
    dropped, deleted = [], 0
    for name, month in existing_partitions(of=IMPRESSIONS):
        partition = sql.Identifier(name)
        if month is not None and end_of(month) <= before:
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("DROP TABLE {partition}").format(partition=partition).as_string(None))
            dropped.append(name)
        elif month is None or start_of(month) < before.astimezone(UTC):
            deleted += delete_in_chunks(sql.SQL(DELETE).format(partition=partition).as_string(None), [before, CHUNK])
    return dropped, deleted


def purge_runs(*, before: datetime) -> int:
    """Removes the records of countings and learnings from before, with what they learnt; the newest of each kind stays. How many."""
    return purge_all_but_newest(PerformanceRun.objects.all(), before) + purge_all_but_newest(
        PositionBiasRun.objects.all(), before
    )


def purge_all_but_newest(runs: QuerySet[Any], before: datetime) -> int:
    newest = runs.filter(status=RunStatus.DONE).order_by("-started_at").values_list("pk", flat=True).first()
    return runs.filter(started_at__lt=before).exclude(pk=newest).delete()[0]
