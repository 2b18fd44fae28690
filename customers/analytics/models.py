"""Stored results of questions."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from config.foundation.job_runs import TimedRun
from customers.analytics.report_models import Annotation, Dashboard, SavedReport

__all__ = ["AnalyticsResult", "Annotation", "Dashboard", "ResultStatus", "SavedReport"]


class ResultStatus(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("canceled")


class AnalyticsResult(TimedRun):
    """The answer to a question with certain parameters on a certain version of the data; it contains no personal data.

    Attributes:
        data_version: what the data contained, see `data_version.DataVersion`.
        as_of: facts up to this moment are included in the content. content: the result as JSON. Both are null until it is computed,
            and the old values are kept while the result is computed again.
    """

    Status = ResultStatus

    question = models.CharField(_("question"), max_length=30)
    parameters = models.JSONField(_("parameters"))
    parameters_hash = models.CharField(_("hash of the parameters"), max_length=64)
    data_version = models.CharField(_("data version"), max_length=100)
    status = models.CharField(_("status"), max_length=10, choices=ResultStatus, default=ResultStatus.QUEUED)
    as_of = models.DateTimeField(_("as of"), null=True, blank=True)
    content = models.JSONField(_("result"), null=True)

    class Meta:
        default_permissions = ("view",)
        verbose_name = _("result of a question")
        verbose_name_plural = _("results of questions")
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["question", "parameters_hash", "data_version"], name="analytics_result_once"
            )
        ]
        indexes = [models.Index(fields=["started_at"], name="analytics_result_age")]

    def __str__(self) -> str:
        return f"{self.question} {self.parameters_hash[:8]}"
