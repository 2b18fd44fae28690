"""Runs of the refresh, and the models that each run scored customers with."""

from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from config.foundation.job_runs import JobRun
from customers.lifecycle.models.stages import StageRules


class LifecycleRun(JobRun):
    """One refresh of all customer profiles as of a point in time."""

    as_of = models.DateTimeField(_("as of"))
    rules = models.ForeignKey(
        StageRules, models.PROTECT, null=True, blank=True, related_name="runs", verbose_name=_("stage rules")
    )
    currency = models.CharField(_("currency of amounts"), max_length=3, blank=True, default="")
    customers = models.PositiveBigIntegerField(_("customers"), default=0)
    transitions = models.PositiveBigIntegerField(_("stage changes"), default=0)
    counts = models.JSONField(_("customers per stage"), default=dict, blank=True)
    quality = models.JSONField(_("data quality"), default=dict, blank=True)

    class Meta(JobRun.Meta):
        verbose_name = _("lifecycle run")
        verbose_name_plural = _("lifecycle runs")

    def __str__(self) -> str:
        return f"{localtime(self.as_of):%Y-%m-%d %H:%M}"


class ScoreModel(models.Model):
    """A model that a refresh scored customers with: parameters and held-out accuracy."""

    class Kind(models.TextChoices):
        PURCHASE_MODEL = "purchase_model", _("purchase model")
        SPEND = "spend", _("spend per order")
        NEXT_ORDER = "next_order", _("next order")
        CLUSTERS = "clusters", _("clusters")
        CHURN = "churn", _("churn")
        PURCHASE_7 = "purchase_7", _("purchase within 7 days")
        PURCHASE_30 = "purchase_30", _("purchase within 30 days")
        PURCHASE_90 = "purchase_90", _("purchase within 90 days")
        NEXT_CATEGORY = "next_category", _("next category")

    class Reason(models.TextChoices):
        """Why there is no model, or why a propensity uses the purchase model as a fallback."""

        NO_CUSTOMERS = "no_customers", _("no customer has ordered yet")
        NO_TIME = "no_time", _("all orders are from one day")
        NO_REPEATS = "no_repeats", _("no customer has ordered on two different days")
        FEW_REPEAT_BUYERS = "few_repeat_buyers", _("fewer than 30 customers have ordered on two different days")
        NO_PAID_REPEATS = "no_paid_repeats", _("all repeat orders have a total of 0")
        FEW_PAID_REPEATS = "few_paid_repeats", _("fewer than 30 customers have a paid repeat order")
        TOO_FEW_CUSTOMERS = "too_few_customers", _("fewer than 30 customers have ordered")
        NO_FEATURE_VARIES = "no_feature_varies", _("all customers have the same values")
        TOO_FEW_DIFFERENT = "too_few_different", _("there are fewer than three distinct customers")
        HISTORY_TOO_SHORT = "history_too_short", _("the order history is too short to train a model")
        FEW_CUSTOMERS = "few_customers", _("no customer ordered early enough to train a model")
        FEW_POSITIVES = "few_positives", _("fewer than 50 positive examples")
        FEW_NEGATIVES = "few_negatives", _("fewer than 50 negative examples")
        NO_CATEGORIES = "no_categories", _("no ordered product has a category")
        FEW_NEXT_ORDERS = "few_next_orders", _("fewer than 50 customers have ordered again recently")

    run = models.ForeignKey(LifecycleRun, models.CASCADE, related_name="score_models", verbose_name=_("lifecycle run"))
    kind = models.CharField(_("type"), max_length=20, choices=Kind)
    algorithm = models.CharField(_("algorithm"), max_length=40, blank=True)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    figures = models.JSONField(_("metrics"), default=dict, blank=True)
    reason = models.CharField(_("reason"), max_length=40, choices=Reason, blank=True)
    arrays = models.BinaryField(
        _("arrays"),
        null=True,
        blank=True,
        help_text=_("Arrays of a model trained by this run, as a compressed npz file."),
    )
    trained_by = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="reused_by",
        verbose_name=_("trained by"),
        help_text=_("Earlier score model that this run uses; empty if the run trained its own."),
    )

    class Meta:
        verbose_name = _("score model")
        verbose_name_plural = _("score models")
        ordering = ["-run_id", "kind"]
        constraints = [models.UniqueConstraint(fields=["run", "kind"], name="lifecycle_score_model_once")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.algorithm or '–'}"
