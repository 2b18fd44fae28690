"""Stored results: what was expected of each metric on each day, and the days that were unusual."""

from django.conf import settings
from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from config.foundation.job_runs import JobRun
from customers.analytics.models import Annotation

MAX_REASON = 120


class AnomalyRun(JobRun):
    """A run of the daily job. problem: why nothing was evaluated. last_day: the last complete day."""

    as_of = models.DateTimeField(_("as of"))
    last_day = models.DateField(_("last day"), null=True)
    problem = models.CharField(_("problem"), max_length=30, blank=True)
    anomalies = models.PositiveIntegerField(_("anomalies"), default=0)

    class Meta(JobRun.Meta):
        default_permissions = ("view",)
        verbose_name = _("anomaly detection")
        verbose_name_plural = _("anomaly detections")

    def __str__(self) -> str:
        return f"{localtime(self.as_of):%Y-%m-%d}"


class DayState(models.TextChoices):
    HISTORY = "history", _("not checked")
    USUAL = "usual", _("as usual")
    UNUSUAL = "unusual", _("unusual")
    MISSING = "missing", _("data missing")
    SMALL = "small", _("too little data")


class MetricDay(models.Model):
    """A metric on a day, with the range that was expected from the days before it; null where it is not known."""

    metric = models.CharField(_("metric"), max_length=40)
    day = models.DateField(_("day"))
    value = models.FloatField(_("value"), null=True)
    expected = models.FloatField(_("expected"), null=True)
    low = models.FloatField(_("lower bound"), null=True)
    high = models.FloatField(_("upper bound"), null=True)
    state = models.CharField(_("state"), max_length=10, choices=DayState)

    class Meta:
        default_permissions = ()
        verbose_name = _("daily metric")
        verbose_name_plural = _("daily metrics")
        ordering = ["metric", "day"]
        constraints = [models.UniqueConstraint(fields=["metric", "day"], name="anomalies_metric_day_once")]

    def __str__(self) -> str:
        return f"{self.metric} {self.day}"


class AnomalyKind(models.TextChoices):
    LOW = "low", _("lower than expected")
    HIGH = "high", _("higher than expected")
    MISSING = "missing", _("data missing")


class Anomaly(models.Model):
    """A metric that was outside its usual range on a day, or whose data is missing.

    Attributes:
        explanation: see `explaining.build_explanation`. stopped_hour: of the shop's clock, from which on nothing arrived.
        annotation: the known reason; its day does not change what is expected later.
    """

    Kind = AnomalyKind

    metric = models.CharField(_("metric"), max_length=40)
    day = models.DateField(_("day"))
    kind = models.CharField(_("kind"), max_length=10, choices=AnomalyKind)
    value = models.FloatField(_("value"), null=True)
    expected = models.FloatField(_("expected"), null=True)
    low = models.FloatField(_("lower bound"), null=True)
    high = models.FloatField(_("upper bound"), null=True)
    p_value = models.FloatField(_("p-value"), null=True)
    explanation = models.JSONField(_("explanation"), default=dict)
    stopped_hour = models.PositiveSmallIntegerField(_("hour"), null=True)
    computed_at = models.DateTimeField(_("computed as of"))
    annotation = models.ForeignKey(
        Annotation, models.SET_NULL, null=True, blank=True, related_name="anomalies", verbose_name=_("known reason")
    )
    noted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("noted by")
    )

    class Meta:
        default_permissions = ("view", "change")
        verbose_name = _("anomaly")
        verbose_name_plural = _("anomalies")
        ordering = ["-day", "metric"]
        constraints = [models.UniqueConstraint(fields=["metric", "day"], name="anomalies_anomaly_once")]

    def __str__(self) -> str:
        return f"{self.metric} {self.day}"
