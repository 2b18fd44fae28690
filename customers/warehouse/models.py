"""The record of what was written to the warehouse."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from config.foundation.job_runs import TimedRun


class ExportRun(TimedRun):
    """One export of a table."""

    table = models.CharField(_("table"), max_length=50)
    part = models.CharField(_("part"), max_length=200, blank=True, help_text=_("Empty if the whole table was written."))
    rows = models.PositiveBigIntegerField(_("rows"), default=0)
    checksum = models.CharField(_("checksum"), max_length=64, blank=True)
    watermark = models.CharField(
        _("watermark"), max_length=100, blank=True, help_text=_("The start of the next export.")
    )

    class Meta:
        verbose_name = _("export run")
        verbose_name_plural = _("export runs")
        ordering = ["-started_at", "-id"]
        indexes = [models.Index(fields=["table", "-started_at"], name="warehouse_export_latest")]

    def __str__(self) -> str:
        return f"{self.table} {self.part}".strip()


class AppendMark(models.Model):
    """The number of appends to a table, incremented in the transaction of the appended rows."""

    table = models.CharField(_("table"), max_length=50, primary_key=True)
    number = models.PositiveBigIntegerField(_("appends"), default=0)

    class Meta:
        verbose_name = _("append mark")
        verbose_name_plural = _("append marks")

    def __str__(self) -> str:
        return f"{self.table}: {self.number}"
