"""The record of one training: where it stands, that somebody wants it to end, how it ended."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection

from config.foundation.database.advisory_locks import lock_key
from config.foundation.progress import Progress
from recommendations.training.models import EvaluationRun
from recommendations.training.tuning.tuning import AT, PRIMARY

LOCK = "training.train"
# a lock of one 64-bit key stands there in two halves
HELD = """
    SELECT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND classid = %s AND objid = %s
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""
WRITE_EVERY_S = 0.5
Status = EvaluationRun.Status


class TrainingCancelledError(Exception):
    """Somebody cancelled the training; the active version goes on serving."""

    def __init__(self) -> None:
        super().__init__("The training was cancelled; the active version goes on serving.")


class Tracker:
    """Tells the record where a training stands, and the training when it is to end."""

    def __init__(self, run: EvaluationRun, progress: Progress) -> None:
        self.run, self.progress = run, progress
        self.written_at = float("-inf")

    def __call__(self, step: str, share: float) -> None:
        """``share`` of 1 is done. Raises TrainingCancelledError."""
        percent = max(self.run.percent, min(99, round(share * 100)))
        changed = step != self.run.step
        if not changed and time.monotonic() - self.written_at < WRITE_EVERY_S:
            return
        self.written_at = time.monotonic()
        self.run.step, self.run.percent = step, percent
        self.run.save(update_fields=["step", "percent"])
        self.progress(percent, 100)
        if EvaluationRun.objects.filter(pk=self.run.pk, cancel_requested_at__isnull=False).exists():
            raise TrainingCancelledError


@contextmanager
def recorded_run(*, started_at: datetime) -> Iterator[EvaluationRun]:
    """A new run, which is marked as failed or cancelled when the block ends that way; those that a kill left running are failed."""
    EvaluationRun.objects.filter(status=Status.RUNNING).update(
        status=Status.FAILED, error="the process ended before the run did", finished_at=started_at
    )
    run = EvaluationRun.objects.create(started_at=started_at, primary_metric=f"{PRIMARY}@{AT}")
    try:
        yield run
    except TrainingCancelledError:
        end(run, Status.CANCELLED, "")
        raise
    except Exception as error:
        end(run, Status.FAILED, str(error))
        raise


def end(run: EvaluationRun, status: str, error: str) -> None:
    run.status, run.error, run.finished_at = status, error, datetime.now(UTC)
    run.save(update_fields=["status", "error", "finished_at"])


def running_training() -> EvaluationRun | None:
    """The training that is under way. A record that a killed one left behind is none: the lock went with its process."""
    run = EvaluationRun.objects.filter(status=Status.RUNNING).first()
    return run if run is not None and is_locked() else None


def is_locked() -> bool:
    """Whether any session of this database holds the lock of trainings."""
    key = lock_key(LOCK) & 0xFFFF_FFFF_FFFF_FFFF
    with connection.cursor() as cursor:
        cursor.execute(HELD, [key >> 32, key & 0xFFFF_FFFF])
        return bool(cursor.fetchone()[0])


def request_cancel(*, run_id: int, at: datetime) -> bool:
    """Whether there was a running training to cancel; it ends at its next trial or step."""
    running = EvaluationRun.objects.filter(pk=run_id, status=Status.RUNNING, cancel_requested_at__isnull=True)
    return bool(running.update(cancel_requested_at=at))
