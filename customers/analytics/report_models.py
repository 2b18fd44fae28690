"""Saved reports, dashboards of them, and annotations of days."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

MAX_NAME = 120


class SavedReport(models.Model):
    """A question with its parameters under a name.

    Attributes:
        parameters: as in the URL of the page, so that a period such as the last 28 days moves with time.
    """

    name = models.CharField(_("name"), max_length=MAX_NAME)
    question = models.CharField(_("question"), max_length=30)
    parameters = models.JSONField(_("parameters"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, verbose_name=_("created by"), related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("saved report")
        verbose_name_plural = _("saved reports")
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["name"], name="analytics_report_name")]

    def __str__(self) -> str:
        return self.name


class Dashboard(models.Model):
    """Saved reports on one page, all with the same period."""

    name = models.CharField(_("name"), max_length=MAX_NAME)
    reports = models.ManyToManyField(SavedReport, verbose_name=_("reports"), related_name="dashboards", blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("dashboard")
        verbose_name_plural = _("dashboards")
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["name"], name="analytics_dashboard_name")]

    def __str__(self) -> str:
        return self.name


class Annotation(models.Model):
    """What happened on a day, shown on trends."""

    day = models.DateField(_("day"))
    text = models.CharField(_("text"), max_length=MAX_NAME)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("annotation")
        verbose_name_plural = _("annotations")
        ordering = ["day", "id"]

    def __str__(self) -> str:
        return f"{self.day}: {self.text}"
