"""The run record of a training: progress, cancellation and result."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from django.db import Error, connection

from config.foundation.database.advisory_locks import compute_lock_key
from config.foundation.database.lost_connections import REPEAT_SECONDS, write_after_reconnecting
from config.foundation.job_runs import INTERRUPTED_ERROR
from config.foundation.progress import Progress
from recommendations.training.models import EvaluationRun
from recommendations.training.tuning.model_choice import PRIMARY_METRIC, TOP_N

TRAINING_LOCK = "training.train"
UPDATE_LOCK = "training.refresh"  # of the incremental update
# pg_locks shows the 64-bit key of an advisory lock as two 32-bit halves
LOCK_IS_HELD = """
    SELECT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND classid = %s AND objid = %s
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""
WRITE_INTERVAL_S = 0.5
Status = EvaluationRun.Status


class TrainingCanceledError(Exception):
    """The training was canceled; the active version keeps serving."""

    def __init__(self) -> None:
        super().__init__("The training was canceled; the active version keeps serving.")


class TrainingTracker:
    """Saves the progress of a training and stops the training once it is canceled.

    A training reports before every trial, which may take milliseconds; the database is asked at most every
    WRITE_INTERVAL_S.
    """

    def __init__(self, run: EvaluationRun, progress: Progress) -> None:
        self.run, self.progress = run, progress
        self.written_at = float("-inf")

    def __call__(self, step: str, share: float) -> None:
        """Report that ``share`` (0 to 1) of the training is done. Raises TrainingCanceledError."""
        percent = max(self.run.percent, min(99, round(share * 100)))  # never backwards, and 100 only once it is saved
        is_new_step = step != self.run.step
        if not is_new_step and time.monotonic() - self.written_at < WRITE_INTERVAL_S:
            return
        self.written_at = time.monotonic()
        self.run.step, self.run.percent = step, percent
        self.run.save(update_fields=["step", "percent"])
        self.progress(percent, 100)
        # From the database, because another process, the web server, records the request.
        if EvaluationRun.objects.filter(pk=self.run.pk, cancel_requested_at__isnull=False).exists():
            raise TrainingCanceledError


@contextmanager
def record_training_run(*, started_at: datetime) -> Iterator[EvaluationRun]:
    """Create a run and mark it as failed or canceled if the block raises.

    Runs that a killed process left in status "running" are marked as failed.
    """
    # The caller holds TRAINING_LOCK, so no training is running: these runs were left by killed processes.
    EvaluationRun.objects.filter(status=Status.RUNNING).update(
        status=Status.FAILED, error=INTERRUPTED_ERROR, finished_at=started_at
    )
    run = EvaluationRun.objects.create(started_at=started_at, primary_metric=f"{PRIMARY_METRIC}@{TOP_N}")
    try:
        yield run
    except TrainingCanceledError:
        end_training_run(run, Status.CANCELLED, "")
        raise
    except Exception as error:
        end_training_run(run, Status.FAILED, str(error))
        raise
    except BaseException as error:  # Ctrl-C, or a worker that stops and has little time left
        is_canceled = isinstance(error, KeyboardInterrupt)
        with suppress(Error):
            end_training_run(
                run,
                Status.CANCELLED if is_canceled else Status.FAILED,
                "" if is_canceled else INTERRUPTED_ERROR,
                repeat_seconds=0,
            )
        raise


def end_training_run(run: EvaluationRun, status: str, error: str, *, repeat_seconds: float = REPEAT_SECONDS) -> None:
    """Save the final status of a run."""
    run.status, run.error, run.finished_at = status, error, datetime.now(UTC)
    # a lost connection to the database may be why the training failed
    write_after_reconnecting(lambda: run.save(update_fields=["status", "error", "finished_at"]), seconds=repeat_seconds)


def is_run_alive(run: EvaluationRun) -> bool:
    """Return whether a run is in progress: a killed process leaves it in status "running" until the next training."""
    return run.status == Status.RUNNING and is_training_locked()


def get_running_training() -> EvaluationRun | None:
    """Return the run in progress, or None.

    A run left behind by a killed process does not count: its lock ended with the process.
    """
    run = EvaluationRun.objects.filter(status=Status.RUNNING).first()
    return run if run is not None and is_run_alive(run) else None


def is_training_locked() -> bool:
    """Return whether a session of this database holds the training lock."""
    key = compute_lock_key(TRAINING_LOCK) & 0xFFFF_FFFF_FFFF_FFFF
    with connection.cursor() as cursor:
        cursor.execute(LOCK_IS_HELD, [key >> 32, key & 0xFFFF_FFFF])
        return bool(cursor.fetchone()[0])


def request_cancellation(*, run_id: int, at: datetime) -> bool:
    """Request that a running training stop at its next trial or step.

    Return whether there was one.
    """
    running = EvaluationRun.objects.filter(pk=run_id, status=Status.RUNNING, cancel_requested_at__isnull=True)
    return bool(running.update(cancel_requested_at=at))
