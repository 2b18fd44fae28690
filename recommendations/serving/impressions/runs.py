"""The record of a job: started, finished, or why not."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.db import Error

from recommendations.serving.impressions.models import PerformanceRun, PositionBiasRun, RunStatus

DIED = "The process ended before the run did."


@contextmanager
def recorded[Run: PerformanceRun | PositionBiasRun](run: Run) -> Iterator[Run]:
    """Saves the run as it starts and as it ends; an earlier one that never ended is marked. Under the lock of its job."""
    began = time.monotonic()
    type(run)._default_manager.filter(status=RunStatus.RUNNING).update(status=RunStatus.FAILED, error=DIED)
    run.save()
    try:
        yield run
    except BaseException as error:
        run.error = f"{type(error).__name__}: {error}"
        with suppress(Error):  # the server may be what failed; the next run marks this one then
            finish(run, RunStatus.FAILED, seconds=time.monotonic() - began)
        raise
    finish(run, RunStatus.DONE, seconds=time.monotonic() - began)


def finish(run: PerformanceRun | PositionBiasRun, status: RunStatus, *, seconds: float) -> None:
    run.status, run.finished_at = status, run.started_at + timedelta(seconds=seconds)
    run.save()
