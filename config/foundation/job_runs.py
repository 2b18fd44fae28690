"""Records of jobs and imports: when each started, how it ended and why it failed."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.db import Error, models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from config.foundation.database.lost_connections import write_after_reconnecting

INTERRUPTED_ERROR = "The process stopped before the run finished."


class TimedRun(models.Model):
    """Abstract: start, end and error of one run."""

    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        abstract = True

    @property
    def duration_seconds(self) -> float | None:
        """The time from start to end; None while the run is in progress or after its process was killed."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


class JobStatus(models.TextChoices):
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class JobRun(TimedRun):
    """Abstract: one run of a job, with its status."""

    Status = JobStatus

    status = models.CharField(_("status"), max_length=10, choices=JobStatus, default=JobStatus.RUNNING)

    class Meta:
        abstract = True
        ordering = ["-started_at", "-id"]


class FileImport(TimedRun):
    """Abstract: one import of a file, as a dry run or for real, with its counts and rejected rows."""

    file_name = models.CharField(_("file name"), max_length=500)
    dry_run = models.BooleanField(_("dry run"), default=False)
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    problems = models.JSONField(_("problems"), default=dict, blank=True, help_text=_("Number of rows per problem."))
    error_file = models.CharField(_("error file"), max_length=1000, blank=True)
    upload = models.CharField(_("uploaded file"), max_length=1000, blank=True, editable=False)
    options = models.JSONField(_("options"), default=dict, blank=True, editable=False)

    class Meta:
        abstract = True
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.file_name} ({localtime(self.started_at):%Y-%m-%d %H:%M})"


def fail_interrupted_runs(model: type[JobRun]) -> int:
    """Mark the runs of killed processes as failed; return their number.

    Call it while holding the job's lock: then every run that is still "running" belongs to a process that no longer exists.
    """
    return model._default_manager.filter(status=JobStatus.RUNNING).update(
        status=JobStatus.FAILED, error=INTERRUPTED_ERROR
    )


@contextmanager
def record_run[Run: JobRun](run: Run) -> Iterator[Run]:
    """Save a run when the block starts and when it ends; call it while holding the job's lock.

    A failure is recorded and raised again. Earlier interrupted runs of the same job are marked as failed.
    """
    started = time.monotonic()
    fail_interrupted_runs(type(run))
    run.save()
    try:
        yield run
    except BaseException as error:
        text = describe_error(error)
        # if the database stays away, the next run marks this one as interrupted
        with suppress(Error):
            write_after_reconnecting(lambda: finish_run(run, JobStatus.FAILED, started=started, error=text))
        raise
    finish_run(run, JobStatus.DONE, started=started)


def finish_run(
    run: JobRun, status: JobStatus, *, started: float, error: str = "", update_fields: Sequence[str] | None = None
) -> None:
    """Save the end of a run; ``started`` is ``time.monotonic()`` at its start, which clock changes do not affect."""
    run.status, run.error = status, error
    run.finished_at = run.started_at + timedelta(seconds=time.monotonic() - started)
    run.save(update_fields=update_fields)


def describe_error(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
