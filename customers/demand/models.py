"""Demand: settings of restocking, runs of the forecast, forecasts by product, category and shop, and the restock list."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from catalog.models import Category, Product
from config.foundation.job_runs import JobRun

MAX_LEAD_DAYS = 365


class DemandSettings(models.Model):
    """How the shop restocks; one row."""

    lead_days = models.PositiveSmallIntegerField(
        _("lead time in days"),
        default=7,
        validators=[MaxValueValidator(MAX_LEAD_DAYS)],
        help_text=_(
            "The time from an order to its delivery. The product attribute lead_time_days overrides this setting."
        ),
    )
    review_days = models.PositiveSmallIntegerField(
        _("days between two orders"),
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(90)],
        help_text=_("How often you order from your suppliers."),
    )
    service_level = models.DecimalField(
        _("service level"),
        max_digits=4,
        decimal_places=3,
        default="0.950",
        validators=[MinValueValidator(0.5), MaxValueValidator(0.999)],
        help_text=_("The probability that the stock lasts until the next delivery, such as 0.95."),
    )
    order_cost = models.DecimalField(
        _("cost per order"),
        max_digits=12,
        decimal_places=2,
        default=20,
        validators=[MinValueValidator(0)],
        help_text=_("The cost of ordering one product once, regardless of the quantity, in the shop's currency."),
    )
    holding_rate = models.DecimalField(
        _("holding cost per year"),
        max_digits=4,
        decimal_places=3,
        default="0.250",
        validators=[MinValueValidator(0), MaxValueValidator(5)],
        help_text=_("The cost of keeping a unit in stock for a year, as a share of its purchase cost, such as 0.25."),
    )
    resale_share = models.DecimalField(
        _("returned units sold again"),
        max_digits=4,
        decimal_places=3,
        default="0.900",
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=_("The share of returned units that you can sell again, such as 0.9 for clothes or 0 for food."),
    )
    country = models.CharField(
        _("country of public holidays"),
        max_length=2,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{2}$", _("Use a two-letter ISO 3166 code in capitals, such as DE."))],
        help_text=_("A two-letter code such as DE. Leave empty to ignore public holidays."),
    )

    class Meta:
        default_permissions = ("view", "change")
        verbose_name = _("restock settings")
        verbose_name_plural = _("restock settings")

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class DemandRun(JobRun):
    """One computation of all forecasts and of the restock list.

    Attributes:
        problem: why there is no forecast, a code of `backoffice/texts.py`. quality: figures of the last 28 days, see
            `forecasting.shop_forecast.measure_quality`.
    """

    as_of = models.DateTimeField(_("as of"))
    products = models.PositiveIntegerField(_("products"), default=0)
    categories = models.PositiveIntegerField(_("categories"), default=0)
    days = models.PositiveIntegerField(_("days of history"), default=0)
    problem = models.CharField(_("problem"), max_length=40, blank=True)
    quality = models.JSONField(_("forecast accuracy"), default=dict, blank=True)

    class Meta(JobRun.Meta):
        verbose_name = _("demand run")
        verbose_name_plural = _("demand runs")

    def __str__(self) -> str:
        return f"{localtime(self.as_of):%Y-%m-%d %H:%M}"


class DemandForecast(models.Model):
    """The forecast of a product, of a category (without a product), or of the shop (without both).

    Attributes:
        start: the first day of the forecast. history: units per day until then, at most 26 weeks. mean, low, high: per day, in units; the
            means of products add up to their category. week_low, week_high: sums of seven days. model: key of the model, "category" for
            new products. error: MASE at earlier origins.
    """

    product = models.OneToOneField(
        Product, models.CASCADE, null=True, related_name="demand_forecast", verbose_name=_("product")
    )
    category = models.ForeignKey(
        Category, models.CASCADE, null=True, related_name="demand_forecasts", verbose_name=_("category")
    )
    start = models.DateField(_("first day"))
    history = ArrayField(models.FloatField(), verbose_name=_("units sold"))
    mean = ArrayField(models.FloatField(), verbose_name=_("expected demand"))
    low = ArrayField(models.FloatField(), verbose_name=_("lower bound"))
    high = ArrayField(models.FloatField(), verbose_name=_("upper bound"))
    week_low = ArrayField(models.FloatField(), verbose_name=_("lower bound per week"))
    week_high = ArrayField(models.FloatField(), verbose_name=_("upper bound per week"))
    model = models.CharField(_("model"), max_length=30)
    demand_class = models.CharField(pgettext_lazy("demand", "type of demand"), max_length=20)
    error = models.FloatField(_("error (MASE)"), null=True)
    computed_at = models.DateTimeField(_("computed as of"))

    class Meta:
        default_permissions = ("view",)
        verbose_name = _("demand forecast")
        verbose_name_plural = _("demand forecasts")
        ordering = ["id"]

    def __str__(self) -> str:
        return str(self.product or self.category or _("Shop"))


class RestockItem(models.Model):
    """A product with tracked stock: when to order it and how much, as of the last run.

    Attributes:
        incoming: units ordered from suppliers that have not arrived. return_rate: returned units ÷ sold units. days_left: until the
            reorder point is reached; 0 if it is, null beyond the 28 days of the forecast. lost_units, money_at_risk: expected demand
            without stock, and its margin, before an order placed today is delivered.
    """

    product = models.OneToOneField(
        Product, models.CASCADE, primary_key=True, related_name="restock_item", verbose_name=_("product")
    )
    stock = models.IntegerField(_("stock"))
    incoming = models.PositiveIntegerField(_("incoming stock"), default=0)
    lead_days = models.PositiveSmallIntegerField(_("lead time in days"))
    return_rate = models.FloatField(_("return rate"), default=0)
    lead_demand = models.FloatField(_("demand until delivery"))
    safety_stock = models.FloatField(_("safety stock"))
    reorder_point = models.PositiveIntegerField(_("reorder point"))
    order_quantity = models.PositiveIntegerField(_("order quantity"))
    order_value = models.DecimalField(_("order value"), max_digits=14, decimal_places=2, null=True)
    days_left = models.PositiveSmallIntegerField(_("days until reorder"), null=True)
    lost_units = models.FloatField(_("units at risk"))
    money_at_risk = models.DecimalField(_("margin at risk"), max_digits=14, decimal_places=2)
    computed_at = models.DateTimeField(_("computed as of"))

    class Meta:
        default_permissions = ("view",)
        verbose_name = _("restock item")
        verbose_name_plural = _("restock items")
        ordering = ["-money_at_risk", "product_id"]
        indexes = [models.Index(fields=["-money_at_risk", "product"], name="demand_restock_risk")]

    def __str__(self) -> str:
        return str(self.product)


def load_demand_settings() -> DemandSettings:
    """Return the stored settings, or the defaults."""
    return DemandSettings.objects.first() or DemandSettings()
