"""The record of what became of the events that were taken off the outbox."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ProcessingRun(models.Model):
    """One emptying of the outbox; its counts are written in the transactions of the batches they count."""

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    started_at = models.DateTimeField(_("started at"), db_index=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.RUNNING)
    events = models.PositiveBigIntegerField(_("events"), default=0)
    batches = models.PositiveIntegerField(_("batches"), default=0)
    counts = models.JSONField(_("counts"), default=dict, blank=True, help_text=_("What the events became."))
    stage_seconds = models.JSONField(_("seconds per stage"), default=dict, blank=True)
    waiting = models.PositiveBigIntegerField(
        _("waiting at the start"), default=0, help_text=_("Events that had not been processed when the run began.")
    )
    oldest_seconds = models.FloatField(
        _("age of the oldest in seconds"), default=0, help_text=_("Of the event that had waited longest.")
    )
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("processing run")
        verbose_name_plural = _("processing runs")
        ordering = ["-started_at", "-id"]
        indexes = [models.Index(fields=["status"], name="processing_run_under_way", condition=Q(status="running"))]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S}"

    @property
    def took_seconds(self) -> float | None:
        """From the start to the end; None while it runs, or when the process ended before it did."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    @property
    def events_a_second(self) -> float | None:
        """None when it is not known how long the run took, or when it took nothing."""
        return self.events / self.took_seconds if self.took_seconds and self.events else None


class Tally(models.Model):
    """How many of something there have been since ever; counted in the batches' own transactions and never purged."""

    name = models.CharField(_("name"), max_length=50, primary_key=True)
    value = models.PositiveBigIntegerField(_("value"), default=0)

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"
