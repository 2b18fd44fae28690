"""Records of processing runs, and lifetime totals."""

from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from config.foundation.job_runs import JobRun


class ProcessingRun(JobRun):
    """One run over the outbox.

    Its counts are saved in the transactions of the batches they count.
    """

    started_at = models.DateTimeField(_("started at"), db_index=True)
    events = models.PositiveBigIntegerField(_("events"), default=0)
    batches = models.PositiveIntegerField(_("batches"), default=0)
    counts = models.JSONField(_("counts"), default=dict, blank=True, help_text=_("Results by type."))
    stage_seconds = models.JSONField(_("seconds per stage"), default=dict, blank=True)
    waiting = models.PositiveBigIntegerField(
        _("waiting at start"), default=0, help_text=_("Events that were waiting when the run started.")
    )
    oldest_seconds = models.FloatField(
        _("longest wait in seconds"), default=0, help_text=_("Waiting time of the oldest event.")
    )

    class Meta(JobRun.Meta):
        verbose_name = _("processing run")
        verbose_name_plural = _("processing runs")
        indexes = [models.Index(fields=["status"], name="processing_run_under_way", condition=Q(status="running"))]

    def __str__(self) -> str:
        return f"{localtime(self.started_at):%Y-%m-%d %H:%M:%S}"

    @property
    def events_per_second(self) -> float | None:
        """The speed of the run; None if its duration is unknown or it processed nothing."""
        return self.events / self.duration_seconds if self.duration_seconds and self.events else None


class ProcessingTotal(models.Model):
    """A lifetime total, counted in the batches' own transactions and never deleted."""

    name = models.CharField(_("name"), max_length=50, primary_key=True)
    value = models.PositiveBigIntegerField(_("value"), default=0)

    class Meta:
        verbose_name = _("processing total")
        verbose_name_plural = _("processing totals")
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"
