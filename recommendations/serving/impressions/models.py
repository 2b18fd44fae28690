"""What was shown, what became of it by day, and what was learnt from it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.identity.models import Customer


class Impression(models.Model):
    """One answer that was given: which products at which places, to whom; partitioned by the month in which it was served.

    ``user_id`` and ``anonymous_id`` are what the request named; ``customer`` is who that was when it was last looked up.
    """

    recommendation_id = models.CharField(_("recommendation id"), max_length=64)
    scenario = models.CharField(_("scenario"), max_length=50)
    user_id = models.CharField(_("user id"), max_length=255, blank=True)
    anonymous_id = models.CharField(_("anonymous id"), max_length=255, blank=True)
    # no foreign key: the statement that stores thousands a second looks customers up itself, and whoever is merged or erased
    # meanwhile is put right by the next count of performance
    customer = models.ForeignKey(
        Customer,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="impressions",
        verbose_name=_("customer"),
        db_constraint=False,
        db_index=False,
    )
    model_version = models.CharField(_("model version"), max_length=100)
    strategy = models.CharField(_("strategy"), max_length=64)
    arm = models.CharField(_("arm"), max_length=100, blank=True)
    fallback = models.CharField(_("fallback"), max_length=64, blank=True)
    served_at = models.DateTimeField(_("served at"))
    first_rank = models.PositiveIntegerField(_("first rank"), default=1)
    product_ids = ArrayField(models.CharField(max_length=200), verbose_name=_("product ids"), default=list)

    class Meta:
        app_label = "serving"
        verbose_name = _("impression")
        verbose_name_plural = _("impressions")

    def __str__(self) -> str:
        return f"{self.scenario} ({self.served_at:%Y-%m-%d %H:%M})"


class PerformanceDay(models.Model):
    """What was shown on one day at one position of a place, and what followed within the attribution window.

    The row with no currency holds the counts; rows with a currency hold what was bought, a row for each.
    """

    day = models.DateField(_("day"))
    scenario = models.CharField(_("scenario"), max_length=50)
    model_version = models.CharField(_("model version"), max_length=100)
    strategy = models.CharField(_("strategy"), max_length=64)
    position = models.PositiveIntegerField(_("position"))
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    shown = models.PositiveBigIntegerField(_("shown"), default=0)
    clicked = models.PositiveBigIntegerField(_("clicked"), default=0)
    carted = models.PositiveBigIntegerField(_("put into the cart"), default=0)
    bought = models.PositiveBigIntegerField(_("bought"), default=0)
    revenue = models.DecimalField(_("revenue"), max_digits=16, decimal_places=2, default=0)

    class Meta:
        app_label = "serving"
        verbose_name = _("recommendation performance")
        verbose_name_plural = _("recommendation performance")
        constraints = [
            models.UniqueConstraint(
                fields=["day", "scenario", "model_version", "strategy", "position", "currency"],
                name="serving_performance_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.scenario} {self.position}"


class RunStatus(models.TextChoices):
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")


class PerformanceRun(models.Model):
    """One counting of what followed: which days, and how long it took."""

    started_at = models.DateTimeField(_("started at"), db_index=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=RunStatus, default=RunStatus.RUNNING)
    first_day = models.DateField(_("first day"), null=True, blank=True)
    last_day = models.DateField(_("last day"), null=True, blank=True)
    counts = models.JSONField(_("counts"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        app_label = "serving"
        verbose_name = _("counting of performance")
        verbose_name_plural = _("countings of performance")
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S}"


class PositionBiasRun(models.Model):
    """One learning of how far people look down, for all places."""

    started_at = models.DateTimeField(_("started at"), db_index=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=RunStatus, default=RunStatus.RUNNING)
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    impressions = models.PositiveBigIntegerField(_("impressions"), default=0)
    clicks = models.PositiveBigIntegerField(_("clicks"), default=0)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        app_label = "serving"
        verbose_name = _("learning of position bias")
        verbose_name_plural = _("learnings of position bias")
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S}"


class PositionBias(models.Model):
    """How likely a product at a position of a place is looked at, against the first one."""

    class Method(models.TextChoices):
        CLICK_MODEL = "click_model", _("click model")
        CASCADE = "cascade", _("cascade with a prior")
        PRIOR = "prior", _("prior alone")

    run = models.ForeignKey(PositionBiasRun, models.CASCADE, related_name="positions", verbose_name=_("run"))
    scenario = models.CharField(_("scenario"), max_length=50)
    position = models.PositiveIntegerField(_("position"))
    examination = models.FloatField(_("looked at"))
    shown = models.PositiveBigIntegerField(_("shown"), default=0)
    clicked = models.PositiveBigIntegerField(_("clicked"), default=0)
    method = models.CharField(_("method"), max_length=20, choices=Method)

    class Meta:
        app_label = "serving"
        verbose_name = _("position bias")
        verbose_name_plural = _("position bias")
        ordering = ["run", "scenario", "position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "scenario", "position"], name="serving_position_bias_unique")
        ]

    def __str__(self) -> str:
        return f"{self.scenario} {self.position}: {self.examination:.3f}"


class LoggedJudgement(models.Model):
    """How often what a model version showed would be clicked if every place were looked at alike, with its interval."""

    run = models.ForeignKey(PositionBiasRun, models.CASCADE, related_name="judgements", verbose_name=_("run"))
    scenario = models.CharField(_("scenario"), max_length=50)
    model_version = models.CharField(_("model version"), max_length=100)
    strategy = models.CharField(_("strategy"), max_length=64)
    impressions = models.PositiveBigIntegerField(_("impressions"))
    items = models.PositiveBigIntegerField(_("products shown"))
    clicks = models.PositiveBigIntegerField(_("clicks"))
    estimate = models.FloatField(_("estimated without position bias"))
    low = models.FloatField(_("from"))
    high = models.FloatField(_("until"))
    clipped = models.FloatField(_("clipped share"), default=0)

    class Meta:
        app_label = "serving"
        verbose_name = _("judgement of what was shown")
        verbose_name_plural = _("judgements of what was shown")
        ordering = ["run", "scenario", "model_version", "strategy"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "scenario", "model_version", "strategy"], name="serving_judgement_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.scenario} {self.model_version}: {self.estimate:.4f}"
