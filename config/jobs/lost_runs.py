"""Ends the records of runs that nobody can end any more, because their process or their database connection was lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from config.celery import app
from config.foundation.database.advisory_locks import find_locked, name_task_lock
from config.foundation.processes.background_tasks import BROKER_ERRORS
from config.jobs.models import ScheduledRun
from config.jobs.recording import INTERRUPTED
from config.jobs.retry_budgets import plan_retry
from config.schedule import SCHEDULE

Status = ScheduledRun.Status
LOOK_BACK = timedelta(days=7)  # the index has no status: only these runs are read
ANSWER_SECONDS = 2.0


def end_lost_runs(*, now: datetime) -> int:
    """Mark the lost runs of all jobs as interrupted and plan their repetition; return their number."""
    runs = ScheduledRun.objects.filter(
        task__in=[job.task for job in SCHEDULE], status=Status.RUNNING, started_at__gte=now - LOOK_BACK
    )
    return end_runs(find_lost_runs(list(runs)), now=now)


def find_lost_runs(runs: Sequence[ScheduledRun]) -> list[ScheduledRun]:
    """Return those of the running runs whose task has ended.

    A run is recorded while its process holds the lock of the job. A lost database connection releases the lock, although the task may go
    on, so the workers are asked too. If they cannot be asked, no run counts as lost.
    """
    if not runs:
        return []
    locked = find_locked([name_task_lock(run.task) for run in runs])
    unlocked = [run for run in runs if name_task_lock(run.task) not in locked]
    if not unlocked:
        return []
    try:
        active = app.control.inspect(timeout=ANSWER_SECONDS).active() or {}
    except BROKER_ERRORS:
        return []
    ids = {task["id"] for tasks in active.values() for task in tasks}
    return [run for run in unlocked if run.celery_id not in ids]


def end_runs(runs: Sequence[ScheduledRun], *, now: datetime) -> int:
    """Save that runs were interrupted, or canceled if somebody asked for it, unless they have ended in the meantime; return their number."""
    if not runs:
        return 0
    with transaction.atomic():
        ended = list(
            ScheduledRun.objects.select_for_update().filter(pk__in=[run.pk for run in runs], status=Status.RUNNING)
        )
        for run in ended:
            run.finished_at = now
            if run.cancelled_by:
                run.status = Status.CANCELLED
            else:
                run.status, run.error_type = Status.FAILED, INTERRUPTED
                run.retry_at = plan_retry(run.task, attempt=run.attempt, failed_at=now)
        ScheduledRun.objects.bulk_update(ended, ["status", "finished_at", "error_type", "retry_at"])
    return len(ended)
