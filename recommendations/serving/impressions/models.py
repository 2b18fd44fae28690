"""Impressions, daily performance and position bias."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from config.foundation.job_runs import JobRun
from customers.identity.models import Customer


class Impression(models.Model):
    """One response: its products in order, and the customer.

    Partitioned by the month in which it was served.

    ``user_id`` and ``anonymous_id`` are those of the request; ``customer`` is the one they belonged to at the last look-up.

    ``order_features``: the scores of search results, see `search.order.features`. ``propensities``: in the order of ``product_ids``, the
    probability with which each product was chosen; null if it was not chosen at random. ``teams``: for an interleaved list, in the same
    order, the ranking that contributed each product: 0 for the control, 1 for the variant, -1 for neither.
    """

    recommendation_id = models.CharField(_("recommendation ID"), max_length=64)
    scenario = models.CharField(_("scenario"), max_length=50)
    user_id = models.CharField(_("user ID"), max_length=255, blank=True)
    anonymous_id = models.CharField(_("anonymous ID"), max_length=255, blank=True)
    # no foreign key in the database: the bulk insert looks customers up itself, and the next attribution run corrects
    # merged and erased customers
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
    arm = models.CharField(_("experiment variant"), max_length=100, blank=True)
    fallback = models.CharField(_("fallback"), max_length=64, blank=True)
    served_at = models.DateTimeField(_("served at"))
    first_rank = models.PositiveIntegerField(_("first rank"), default=1)
    product_ids = ArrayField(models.CharField(max_length=200), verbose_name=_("product IDs"), default=list)
    order_features = ArrayField(models.FloatField(), verbose_name=_("order of search results"), null=True, blank=True)

    propensities = ArrayField(models.FloatField(null=True), verbose_name=_("propensities"), null=True, blank=True)
    teams = ArrayField(models.SmallIntegerField(), verbose_name=_("interleaved rankings"), null=True, blank=True)

    class Meta:
        app_label = "serving"
        verbose_name = _("impression")
        verbose_name_plural = _("impressions")

    def __str__(self) -> str:
        return f"{self.scenario} ({localtime(self.served_at):%Y-%m-%d %H:%M})"


class PerformanceDay(models.Model):
    """Impressions, attributed clicks and purchases of one day at one position of a placement.

    The row without a currency has the counts; one row per currency has the purchases. ``bought`` counts order lines; ``orders`` counts
    an order once in a placement, at its first attributed line.
    """

    day = models.DateField(_("day"))
    scenario = models.CharField(_("scenario"), max_length=50)
    model_version = models.CharField(_("model version"), max_length=100)
    strategy = models.CharField(_("strategy"), max_length=64)
    position = models.PositiveIntegerField(_("position"))
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    shown = models.PositiveBigIntegerField(_("shown"), default=0)
    clicked = models.PositiveBigIntegerField(_("clicked"), default=0)
    carted = models.PositiveBigIntegerField(_("added to cart"), default=0)
    bought = models.PositiveBigIntegerField(_("bought"), default=0)
    orders = models.PositiveBigIntegerField(_("orders"), default=0, db_default=0)
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


class ProductPerformanceDay(models.Model):
    """Impressions, attributed clicks and orders of a product in a placement on one day; counted once a day, up to the previous day.

    The row without a currency has the counts; one row per currency has orders and revenue.
    """

    day = models.DateField(_("day"))
    scenario = models.CharField(_("scenario"), max_length=50)
    product_id = models.CharField(_("product ID"), max_length=200)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    shown = models.PositiveBigIntegerField(_("shown"), default=0)
    clicked = models.PositiveBigIntegerField(_("clicked"), default=0)
    orders = models.PositiveBigIntegerField(_("orders"), default=0)
    revenue = models.DecimalField(_("revenue"), max_digits=16, decimal_places=2, default=0)

    class Meta:
        app_label = "serving"
        verbose_name = _("product performance")
        verbose_name_plural = _("product performance")
        constraints = [
            models.UniqueConstraint(
                fields=["scenario", "day", "product_id", "currency"], name="serving_product_performance_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.scenario} {self.product_id}"


class PerformanceRun(JobRun):
    """One run of attribution: the days it counted, and its duration."""

    started_at = models.DateTimeField(_("started at"), db_index=True)
    first_day = models.DateField(_("first day"), null=True, blank=True)
    last_day = models.DateField(_("last day"), null=True, blank=True)
    counts = models.JSONField(_("counts"), default=dict, blank=True)

    class Meta(JobRun.Meta):
        app_label = "serving"
        verbose_name = _("performance run")
        verbose_name_plural = _("performance runs")

    def __str__(self) -> str:
        return f"{localtime(self.started_at):%Y-%m-%d %H:%M:%S}"


class PositionBiasRun(JobRun):
    """One run of position bias estimation for all placements."""

    started_at = models.DateTimeField(_("started at"), db_index=True)
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("until"))
    impressions = models.PositiveBigIntegerField(_("impressions"), default=0)
    clicks = models.PositiveBigIntegerField(_("clicks"), default=0)

    class Meta(JobRun.Meta):
        app_label = "serving"
        verbose_name = _("position bias run")
        verbose_name_plural = _("position bias runs")

    def __str__(self) -> str:
        return f"{localtime(self.started_at):%Y-%m-%d %H:%M:%S}"


class PositionBias(models.Model):
    """The probability that visitors examine a position, relative to the first position."""

    class Method(models.TextChoices):
        CLICK_MODEL = "click_model", _("click model")
        CASCADE = "cascade", _("cascade model with prior")
        PRIOR = "prior", _("prior only")

    run = models.ForeignKey(PositionBiasRun, models.CASCADE, related_name="positions", verbose_name=_("run"))
    scenario = models.CharField(_("scenario"), max_length=50)
    position = models.PositiveIntegerField(_("position"))
    examination = models.FloatField(_("examination probability"))
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
    """The click-through rate of a model version as if all positions were examined equally."""

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
        verbose_name = _("logged evaluation")
        verbose_name_plural = _("logged evaluations")
        ordering = ["run", "scenario", "model_version", "strategy"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "scenario", "model_version", "strategy"], name="serving_judgement_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.scenario} {self.model_version}: {self.estimate:.4f}"
