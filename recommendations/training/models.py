"""Models that were trained, how they were judged, which one serves."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from recommendations.training.backoffice.labels.decision_labels import explained


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
    reasons = models.JSONField(
        _("reasons"), default=list, blank=True, help_text=_("Codes and numbers of why it was promoted or rejected.")
    )
    why = models.TextField(_("remark"), blank=True, help_text=_("What whoever promoted or gave it up said."))
    created_at = models.DateTimeField(_("created at"))
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True)
    refreshed_at = models.DateTimeField(
        _("refreshed at"), null=True, blank=True, help_text=_("What happened before is in its counts and histories.")
    )
    refresh = models.CharField(_("refresh"), max_length=500, blank=True, help_text=_("Folder of the newest refresh."))
    refresh_checksum = models.CharField(_("checksum of the refresh"), max_length=64, blank=True)

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

    def explanation(self) -> str:
        """Why it serves or does not, in the language of the reader."""
        return explained(self.reasons, self.why)


class EvaluationRun(models.Model):
    """How the algorithms did on one cut in time; figures carry their intervals."""

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", pgettext_lazy("run", "cancelled")

    model_version = models.ForeignKey(
        ModelVersion, models.CASCADE, null=True, blank=True, related_name="evaluations", verbose_name=_("model version")
    )
    protocol = models.CharField(_("protocol"), max_length=50, default="cut-in-time")
    cut_at = models.DateTimeField(_("cut at"), null=True, blank=True)
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.RUNNING)
    step = models.CharField(_("step"), max_length=100, blank=True)
    percent = models.PositiveSmallIntegerField(_("percent done"), default=0)
    cancel_requested_at = models.DateTimeField(_("cancel requested at"), null=True, blank=True)
    target = models.CharField(
        _("target"), max_length=20, blank=True, help_text=_("What a recommendation is to lead to.")
    )
    primary_metric = models.CharField(_("primary metric"), max_length=50, default="ndcg@10")
    figures = models.JSONField(_("figures"), default=dict, help_text=_("Algorithm → metric → value, low, high."))
    comparisons = models.JSONField(
        _("comparisons"), default=list, help_text=_("Paired differences on the same customers.")
    )
    tried = models.JSONField(
        _("tried parameters"), default=list, help_text=_("Every row of every search, on the validation part.")
    )
    left_out = models.JSONField(_("left out"), default=list, help_text=_("Algorithms that were not taken, and why."))
    segments = models.JSONField(
        _("segments"), default=list, help_text=_("Figures of parts of the customers, and of cold products.")
    )
    ablation = models.JSONField(
        _("ablation"), default=list, help_text=_("What the blend loses without each of its parts.")
    )
    cold_start = models.JSONField(
        _("cold start"),
        default=dict,
        help_text=_("Figures of products and of people that were new at the cut: {“products”: …, “people”: …}."),
    )
    scenarios = models.JSONField(
        _("scenarios"),
        default=dict,
        help_text=_(
            "Each place of the shop: what it is made of, its figures beside those of its fallback, whether it is on and why."
        ),
    )
    interactions_by_kind = models.JSONField(
        _("interactions by kind"), default=dict, help_text=_("All, and those before the cut.")
    )
    resources = models.JSONField(
        _("resources"),
        default=dict,
        help_text=_("Seconds and memory of the training, milliseconds of a recommendation."),
    )
    test_users = models.PositiveBigIntegerField(_("test customers"), default=0)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("evaluation run")
        verbose_name_plural = _("evaluation runs")
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.protocol} {self.started_at:%Y-%m-%d %H:%M}"
