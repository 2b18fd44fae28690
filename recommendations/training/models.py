"""Models that were trained, how they were judged, which one serves."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class ModelVersion(models.Model):
    """One trained model: its parameters, the data it saw, where its arrays lie, why it serves or does not."""

    class Status(models.TextChoices):
        CANDIDATE = "candidate", _("candidate")
        ACTIVE = "active", pgettext_lazy("model version", "active")
        RETIRED = "retired", _("retired")
        REJECTED = "rejected", _("rejected")

    version = models.CharField(_("version"), max_length=100, unique=True)
    scenario = models.CharField(_("scenario"), max_length=50, default="for-you")
    algorithm = models.CharField(_("algorithm"), max_length=50)
    parameters = models.JSONField(_("parameters"), default=dict)
    as_of = models.DateTimeField(_("as of"), help_text=_("Only what happened before is in the model."))
    data_from = models.DateTimeField(_("data from"), null=True, blank=True)
    interactions = models.PositiveBigIntegerField(_("interactions"), default=0)
    users = models.PositiveBigIntegerField(_("customers"), default=0)
    items = models.PositiveBigIntegerField(_("products"), default=0)
    data_fingerprint = models.CharField(_("data fingerprint"), max_length=64)
    artifact = models.CharField(_("artifact"), max_length=500, help_text=_("Folder below the models folder."))
    checksum = models.CharField(_("checksum"), max_length=64)
    metrics = models.JSONField(_("metrics"), default=dict)
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.CANDIDATE)
    why = models.TextField(_("why"), blank=True, help_text=_("Why it was promoted, retired or rejected."))
    created_at = models.DateTimeField(_("created at"))
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True)

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["scenario"], condition=Q(status="active"), name="training_one_active_a_scenario"
            )
        ]

    def __str__(self) -> str:
        return self.version


class EvaluationRun(models.Model):
    """How the algorithms did on one cut in time; figures carry their intervals."""

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    model_version = models.ForeignKey(
        ModelVersion, models.CASCADE, null=True, blank=True, related_name="evaluations", verbose_name=_("model version")
    )
    protocol = models.CharField(_("protocol"), max_length=50, default="cut-in-time")
    cut_at = models.DateTimeField(_("cut at"), null=True, blank=True)
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.RUNNING)
    step = models.CharField(_("step"), max_length=100, blank=True)
    primary_metric = models.CharField(_("primary metric"), max_length=50, default="ndcg@10")
    figures = models.JSONField(_("figures"), default=dict, help_text=_("Algorithm → metric → value, low, high."))
    comparisons = models.JSONField(
        _("comparisons"), default=list, help_text=_("Paired differences on the same customers.")
    )
    tried = models.JSONField(_("tried parameters"), default=list)
    test_users = models.PositiveBigIntegerField(_("test customers"), default=0)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("evaluation run")
        verbose_name_plural = _("evaluation runs")
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.protocol} {self.started_at:%Y-%m-%d %H:%M}"
