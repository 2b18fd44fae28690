"""Records the runs of scheduled jobs in the worker. A record that cannot be written never stops a job."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError
from django.utils import timezone
from prometheus_client import Counter

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.database.lost_connections import REPEAT_SECONDS, write_after_reconnecting
from config.jobs.models import ScheduledRun
from config.jobs.retry_budgets import plan_retry
from config.schedule import find_job
from customers.identity.personal_data.masking import mask_text

logger = logging.getLogger(__name__)

Status = ScheduledRun.Status
INTERRUPTED = "Interrupted"
SKIPPED = AlreadyRunningError.__name__
SHORT_SECONDS = 5.0  # shorter successful runs of a frequent job share a row
FREQUENT_CRON = "* * * * *"
SHARED_ROW_AGE = timedelta(hours=1)
MAX_ERROR = 2000
JOB_RUNS = Counter("perennial_job_runs", "Ended runs of jobs.", ["job", "outcome"])
JOB_SECONDS = Counter("perennial_job_seconds", "Seconds that runs of jobs took.", ["job"])


@contextmanager
def record_scheduled_run(task: str, *, celery_id: str, started_by: str = "", attempt: int = 1) -> Iterator[None]:
    """Record one run, while holding the job's lock. Errors: those of the block."""
    job = find_job(task)
    if job is None:
        yield
        return
    is_frequent = bool(job.seconds) or job.cron == FREQUENT_CRON
    run = ScheduledRun(
        task=task,
        celery_id=celery_id,
        status=Status.RUNNING,
        started_at=timezone.now(),
        started_by=started_by[:150],
        attempt=attempt,
    )
    if not is_frequent or started_by or attempt > 1:
        _start(run)
    started = time.monotonic()
    try:
        yield
    except AlreadyRunningError as error:
        seconds, name = time.monotonic() - started, error.name
        _end(lambda: skip_run(run, name, seconds=seconds))
        run.status = Status.CANCELLED
        count_run(run, seconds=seconds)
        raise
    except BaseException as error:
        seconds, failure = time.monotonic() - started, error
        # a worker that is stopping has little time left
        is_stopping = isinstance(error, (SystemExit, KeyboardInterrupt))
        _end(lambda: fail_run(run, failure, seconds=seconds), repeat_seconds=0 if is_stopping else REPEAT_SECONDS)
        if run.status == Status.RUNNING:  # the record was not written
            run.status = Status.FAILED
        count_run(run, seconds=seconds)
        raise
    seconds = time.monotonic() - started
    if run.pk is None and seconds < SHORT_SECONDS:
        _end(lambda: count_short_run(run, Status.DONE, seconds=seconds))
    else:
        _end(lambda: finish_run(run, Status.DONE, seconds=seconds))
    run.status = Status.DONE
    count_run(run, seconds=seconds)


def count_run(run: ScheduledRun, *, seconds: float) -> None:
    """Count an ended run for Prometheus."""
    JOB_RUNS.labels(run.task, run.status).inc()
    JOB_SECONDS.labels(run.task).inc(seconds)


def start_run(run: ScheduledRun) -> None:
    """Save a run that starts. Mark earlier runs that still seem to run as interrupted: the caller holds the job's lock, so they were killed.

    Planned repetitions are dropped, because this run does their work.
    """
    ScheduledRun.objects.filter(task=run.task, status=Status.RUNNING).update(
        status=Status.FAILED, error_type=INTERRUPTED, finished_at=run.started_at
    )
    ScheduledRun.objects.filter(task=run.task, retry_at__isnull=False).update(retry_at=None)
    run.save()


def finish_run(run: ScheduledRun, status: str, *, seconds: float) -> None:
    """Save the end of a run, but not who canceled it, which another process may have written in the meantime."""
    run.status, run.seconds, run.finished_at = status, seconds, run.started_at + timedelta(seconds=seconds)
    if run.pk is None:
        run.save()
    else:
        run.save(update_fields=["status", "seconds", "finished_at", "error_type", "error", "retry_at"])


def fail_run(run: ScheduledRun, error: BaseException, *, seconds: float) -> None:
    """Save why a run ended early. A library may turn the exception of a cancellation into one of its own."""
    is_cancelled = isinstance(error, SoftTimeLimitExceeded) or (
        run.pk is not None and ScheduledRun.objects.filter(pk=run.pk).exclude(cancelled_by="").exists()
    )
    # a signal ended the process: Celery puts the task back into its queue, so that no retry is needed
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        run.error_type = INTERRUPTED
    else:
        run.error_type, run.error = type(error).__name__[:100], mask_text(str(error)[:MAX_ERROR])
    if not is_cancelled and run.error_type != INTERRUPTED:
        run.retry_at = plan_retry(
            run.task,
            attempt=run.attempt,
            failed_at=run.started_at + timedelta(seconds=seconds),
            error_type=run.error_type,
        )
    finish_run(run, Status.CANCELLED if is_cancelled else Status.FAILED, seconds=seconds)


def skip_run(run: ScheduledRun, name: str, *, seconds: float) -> None:
    """Save that a run did nothing because a command or another job holds the lock that its work needs.

    That is no failure. Its retry is planned nevertheless: the holder may do other work, such as an erasure in the warehouse.
    """
    run.error_type, run.error = SKIPPED, name
    run.retry_at = plan_retry(run.task, attempt=run.attempt, failed_at=run.started_at + timedelta(seconds=seconds))
    if run.pk is None:
        count_short_run(run, Status.CANCELLED, seconds=seconds)
    else:
        finish_run(run, Status.CANCELLED, seconds=seconds)


def count_short_run(run: ScheduledRun, status: str, *, seconds: float) -> None:
    """Count a short run of a frequent job: one row stands for the runs of up to an hour, until a run ends differently."""
    latest = ScheduledRun.objects.filter(task=run.task).order_by("-started_at").first()
    finished_at = run.started_at + timedelta(seconds=seconds)
    if (
        latest
        and (latest.status, latest.error_type) == (status, run.error_type)
        and not latest.started_by
        and finished_at - latest.started_at < SHARED_ROW_AGE
    ):
        latest.runs, latest.seconds, latest.finished_at = latest.runs + 1, seconds, finished_at
        latest.save(update_fields=["runs", "seconds", "finished_at"])
    else:
        finish_run(run, status, seconds=seconds)


def _start(run: ScheduledRun) -> None:
    # not repeated on a new connection, which would not hold the lock of the job
    try:
        start_run(run)
    except (DatabaseError, InterfaceError):
        logger.warning("The run of a job could not be recorded", exc_info=True)


def _end(write: Callable[[], object], *, repeat_seconds: float = REPEAT_SECONDS) -> None:
    # the database may be what failed; if it stays away, end_lost_runs ends the record later
    try:
        write_after_reconnecting(write, seconds=repeat_seconds)
    except (DatabaseError, InterfaceError):
        logger.warning("The run of a job could not be recorded", exc_info=True)
