"""Starts and cancels jobs by hand."""

import json
from dataclasses import dataclass
from datetime import datetime

from django_celery_beat.models import PeriodicTask

from config.celery import app
from config.foundation.processes.background_tasks import BROKER_ERRORS
from config.jobs.lost_runs import end_runs, find_lost_runs
from config.jobs.models import ScheduledRun

STARTED_BY, ATTEMPT = "started_by", "attempt"  # headers of a task
CANCEL_SIGNAL = "SIGUSR1"  # raises SoftTimeLimitExceeded in the task, which then undoes its open transaction


class QueueError(Exception):
    """The queue of the worker cannot be reached."""


@dataclass(frozen=True)
class NotRunningError(Exception):
    """The job is not running, or its run has no record that a cancellation could use."""

    task: str


def start_job(job: PeriodicTask, *, started_by: str = "", attempt: int = 1) -> None:
    """Put the job into the queue now, with its usual arguments. Errors: QueueError."""
    headers: dict[str, str | int] = {STARTED_BY: started_by}
    if attempt > 1:
        headers[ATTEMPT] = attempt
    try:
        app.send_task(
            job.task,
            args=json.loads(job.args or "[]"),
            kwargs=json.loads(job.kwargs or "{}"),
            headers=headers,
            queue=job.queue,
        )
    except BROKER_ERRORS as error:
        raise QueueError from error


def cancel_job(task: str, *, cancelled_by: str, at: datetime) -> ScheduledRun:
    """Ask the worker to stop the running job; return its record. Errors: NotRunningError, QueueError."""
    run = ScheduledRun.objects.filter(task=task, status=ScheduledRun.Status.RUNNING).order_by("-started_at").first()
    if run is None or not run.celery_id:
        raise NotRunningError(task)
    if lost := find_lost_runs([run]):  # no worker would receive the signal
        end_runs(lost, now=at)
        raise NotRunningError(task)
    run.cancelled_by = cancelled_by[:150]
    run.save(update_fields=["cancelled_by"])
    try:
        app.control.revoke(run.celery_id, terminate=True, signal=CANCEL_SIGNAL)
    except BROKER_ERRORS as error:
        raise QueueError from error
    return run
