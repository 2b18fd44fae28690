"""Model versions and evaluation runs."""

from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.foundation.job_runs import TimedRun
from recommendations.training.backoffice.labels.decision_labels import explain_reasons


class ModelVersion(models.Model):
    """One trained model: its parameters, the data it was trained on, its artifact, and why it is or is not active."""

    class Status(models.TextChoices):
        CANDIDATE = "candidate", _("candidate")
        ACTIVE = "active", pgettext_lazy("model version", "active")
        RETIRED = "retired", _("retired")
        REJECTED = "rejected", _("rejected")

    version = models.CharField(_("version"), max_length=100, unique=True)
    scenario = models.CharField(_("scenario"), max_length=50, default="for-you")
    algorithm = models.CharField(_("algorithm"), max_length=50)
    parameters = models.JSONField(_("parameters"), default=dict)
    as_of = models.DateTimeField(_("as of"), help_text=_("The model contains only events before this time."))
    data_from = models.DateTimeField(_("data start"), null=True, blank=True)
    interactions = models.PositiveBigIntegerField(_("interactions"), default=0)
    users = models.PositiveBigIntegerField(_("customers"), default=0)
    items = models.PositiveBigIntegerField(_("products"), default=0)
    data_fingerprint = models.CharField(_("data fingerprint"), max_length=64)
    artifact = models.CharField(_("artifact"), max_length=500, help_text=_("Folder inside the models directory."))
    checksum = models.CharField(_("checksum"), max_length=64)
    metrics = models.JSONField(_("metrics"), default=dict)
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.CANDIDATE)
    reasons = models.JSONField(
        _("reasons"), default=list, blank=True, help_text=_("Codes and values that explain the promotion or rejection.")
    )
    why = models.TextField(
        _("note"), blank=True, help_text=_("Comment of the user who promoted or rolled back the version.")
    )
    created_at = models.DateTimeField(_("created at"))
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True)
    refreshed_at = models.DateTimeField(
        _("refreshed at"), null=True, blank=True, help_text=_("Counts and histories include events before this time.")
    )
    refresh = models.CharField(
        _("refresh"), max_length=500, blank=True, help_text=_("Folder of the latest incremental update.")
    )
    refresh_checksum = models.CharField(_("refresh checksum"), max_length=64, blank=True)

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

    @property
    def explanation(self) -> str:
        """Return the reasons of the status in the active language."""
        return explain_reasons(self.reasons, self.why)


class EvaluationRun(TimedRun):
    """The evaluation of all algorithms on one time split; figures include confidence intervals."""

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", pgettext_lazy("run", "canceled")

    model_version = models.ForeignKey(
        ModelVersion, models.CASCADE, null=True, blank=True, related_name="evaluations", verbose_name=_("model version")
    )
    protocol = models.CharField(_("protocol"), max_length=50, default="cut-in-time")
    cut_at = models.DateTimeField(_("split at"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.RUNNING)
    step = models.CharField(_("step"), max_length=100, blank=True)
    percent = models.PositiveSmallIntegerField(_("percent complete"), default=0)
    cancel_requested_at = models.DateTimeField(_("cancel requested at"), null=True, blank=True)
    target = models.CharField(
        _("target"), max_length=20, blank=True, help_text=_("The event that recommendations are optimized for.")
    )
    primary_metric = models.CharField(_("primary metric"), max_length=50, default="ndcg@10")
    figures = models.JSONField(_("metrics"), default=dict, help_text=_("Algorithm → metric → value, low, high."))
    comparisons = models.JSONField(
        _("comparisons"), default=list, help_text=_("Paired differences on the same customers.")
    )
    tried = models.JSONField(
        _("parameter trials"), default=list, help_text=_("All trials of the parameter search on the validation period.")
    )
    left_out = models.JSONField(
        _("excluded"), default=list, help_text=_("Algorithms that are not in the model, with the reason.")
    )
    segments = models.JSONField(
        _("segments"), default=list, help_text=_("Metrics per customer segment and for cold products.")
    )
    ablation = models.JSONField(
        _("ablation"), default=list, help_text=_("Loss of the ensemble without each component.")
    )
    cold_start = models.JSONField(
        _("cold start"),
        default=dict,
        help_text=_("Metrics for products and customers that were new at the split: {“products”: …, “people”: …}."),
    )
    scenarios = models.JSONField(
        _("scenarios"),
        default=dict,
        help_text=_("For each placement: weights, metrics, metrics of the fallback, status and reason."),
    )
    interactions_by_kind = models.JSONField(
        _("interactions by type"), default=dict, help_text=_("In total and before the split.")
    )
    resources = models.JSONField(
        _("resources"),
        default=dict,
        help_text=_("Training time, peak memory and latency of one recommendation."),
    )
    test_users = models.PositiveBigIntegerField(_("test customers"), default=0)

    class Meta:
        verbose_name = _("evaluation run")
        verbose_name_plural = _("evaluation runs")
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.protocol} {localtime(self.started_at):%Y-%m-%d %H:%M}"
