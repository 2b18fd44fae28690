"""Records of the scheduled jobs."""

from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _


class ScheduledRun(models.Model):
    """One run of a scheduled job, or several short successful runs in a row of a job that runs all the time.

    Attributes:
        attempt: 1 for a run by schedule or by hand, higher for the automatic repetitions of a failed one.
        retry_at: when a failed run is repeated; None if it is not repeated, or was repeated already.
    """

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("canceled")

    task = models.CharField(_("task"), max_length=200)
    celery_id = models.CharField(max_length=100, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status)
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)
    seconds = models.FloatField(_("duration"), null=True, help_text="Of the last run, if the row counts several.")
    runs = models.PositiveIntegerField(_("number of runs"), default=1)
    error_type = models.CharField(max_length=100, blank=True)
    error = models.TextField(_("error"), blank=True)
    started_by = models.CharField(_("started by"), max_length=150, blank=True)
    cancelled_by = models.CharField(_("canceled by"), max_length=150, blank=True)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=1, db_default=1)
    retry_at = models.DateTimeField(_("retried at"), null=True)

    class Meta:
        verbose_name = _("job run")
        verbose_name_plural = _("job runs")
        default_permissions = ()
        indexes = [
            models.Index(fields=["task", "-started_at"], name="jobs_run_of_task"),
            models.Index(fields=["retry_at"], name="jobs_run_retry", condition=models.Q(retry_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.task} {localtime(self.started_at):%Y-%m-%d %H:%M}"
