"""Rules of the merchandiser: which products, where, for whom and when, and what happens to them."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from customers.segments.models import Segment
from recommendations.merchandising.choices import (
    HIGHEST_PRIORITY,
    LAST_POSITION,
    MOST_PRODUCT_IDS,
    Action,
    Place,
    Weekday,
)
from recommendations.merchandising.rules.validation import RANGES, problems_of

SOME_PRODUCTS = (
    ~Q(category="")
    | ~Q(brand="")
    | ~Q(product_ids=[])
    | ~Q(attribute_name="")
    | ~Q(tag="")
    | Q(price_from__isnull=False)
    | Q(price_to__isnull=False)
    | Q(margin_from__isnull=False)
    | Q(margin_to__isnull=False)
    | Q(stock_from__isnull=False)
    | Q(stock_to__isnull=False)
    | Q(new_within_days__isnull=False)
)


def in_order(low: str, high: str) -> Q:
    """Both given: the first is not above the second."""
    return Q(**{f"{low}__isnull": True}) | Q(**{f"{high}__isnull": True}) | Q(**{f"{low}__lte": F(high)})


class Rule(models.Model):
    """What shall happen to some products in some places of the shop, for everybody or a segment, always or for a time."""

    name = models.CharField(_("name"), max_length=200)
    enabled = models.BooleanField(_("enabled"), default=True)
    priority = models.SmallIntegerField(
        _("priority"),
        default=0,
        validators=[MinValueValidator(-HIGHEST_PRIORITY), MaxValueValidator(HIGHEST_PRIORITY)],
        help_text=_("Where rules contradict each other, the one of higher priority wins."),
    )

    action = models.CharField(_("action"), max_length=10, choices=Action)
    position = models.PositiveSmallIntegerField(
        pgettext_lazy("of a product in a list", "place"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LAST_POSITION)],
        help_text=_("Of a pin: 1 is the first. Several products stand from there on, in their order."),
    )
    factor = models.DecimalField(
        _("factor"),
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Of boost, 1.01 to 100, or of bury, 0.01 to 0.99: what the score is multiplied by."),
    )

    scenarios = ArrayField(
        models.CharField(max_length=20, choices=Place),
        verbose_name=_("where"),
        default=list,
        blank=True,
        help_text=_("None chosen: everywhere."),
    )
    category = models.CharField(
        _("category path"), max_length=1000, blank=True, help_text=_("Includes what lies below it.")
    )
    brand = models.CharField(_("brand"), max_length=200, blank=True)
    product_ids = ArrayField(
        models.CharField(max_length=200), verbose_name=_("product ids"), default=list, blank=True, size=MOST_PRODUCT_IDS
    )
    attribute_name = models.CharField(_("attribute"), max_length=200, blank=True)
    attribute_value = models.CharField(_("value of the attribute"), max_length=500, blank=True)
    tag = models.CharField(_("tag"), max_length=100, blank=True)
    price_from = models.DecimalField(_("price from"), max_digits=14, decimal_places=2, null=True, blank=True)
    price_to = models.DecimalField(_("price to"), max_digits=14, decimal_places=2, null=True, blank=True)
    margin_from = models.DecimalField(
        _("margin from"),
        max_digits=7,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MaxValueValidator(Decimal(1))],
        help_text=_("As a share of the price: 0.3 is 30 %. Products without a known cost don't match."),
    )
    margin_to = models.DecimalField(
        _("margin to"),
        max_digits=7,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MaxValueValidator(Decimal(1))],
    )
    stock_from = models.IntegerField(
        _("stock from"), null=True, blank=True, help_text=_("Products whose stock is not counted don't match.")
    )
    stock_to = models.IntegerField(_("stock to"), null=True, blank=True)
    new_within_days = models.PositiveSmallIntegerField(
        _("published within days"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(3650)]
    )

    segment = models.ForeignKey(
        Segment,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="rules",
        verbose_name=_("segment"),
        help_text=_("Empty: for everybody, known or not."),
    )
    starts_at = models.DateTimeField(_("starts at"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends at"), null=True, blank=True)
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(choices=Weekday),
        verbose_name=_("weekdays"),
        default=list,
        blank=True,
        help_text=_("None chosen: every day. Days begin at midnight in the shop's time zone."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["-priority", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="merchandising_rule_has_name"),
            models.CheckConstraint(condition=Q(action__in=Action.values), name="merchandising_rule_action_known"),
            models.CheckConstraint(
                condition=Q(scenarios__contained_by=Place.values), name="merchandising_rule_scenarios_known"
            ),
            models.CheckConstraint(
                condition=Q(weekdays__contained_by=Weekday.values), name="merchandising_rule_weekdays_known"
            ),
            models.CheckConstraint(
                condition=Q(priority__gte=-HIGHEST_PRIORITY, priority__lte=HIGHEST_PRIORITY),
                name="merchandising_rule_priority_range",
            ),
            models.CheckConstraint(
                # a check that is NULL holds: hence "is not null" beside every comparison
                condition=(
                    Q(action=Action.PIN, position__isnull=False, position__gte=1, position__lte=LAST_POSITION)
                    & ~Q(product_ids=[])
                    | ~Q(action=Action.PIN) & Q(position__isnull=True)
                ),
                name="merchandising_rule_pin_has_place_and_products",
            ),
            models.CheckConstraint(
                condition=(
                    Q(action=Action.BOOST, factor__isnull=False, factor__gt=1, factor__lte=100)
                    | Q(action=Action.BURY, factor__isnull=False, factor__gt=0, factor__lt=1)
                    | ~Q(action__in=[Action.BOOST, Action.BURY]) & Q(factor__isnull=True)
                ),
                name="merchandising_rule_factor_fits_action",
            ),
            models.CheckConstraint(condition=SOME_PRODUCTS, name="merchandising_rule_names_products"),
            models.CheckConstraint(
                condition=Q(attribute_name="", attribute_value="") | ~Q(attribute_name="") & ~Q(attribute_value=""),
                name="merchandising_rule_attribute_has_value",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(starts_at__lt=F("ends_at")),
                name="merchandising_rule_starts_before_it_ends",
            ),
            *(
                models.CheckConstraint(condition=in_order(low, high), name=f"merchandising_rule_{low}_to")
                for low, high, _what in RANGES
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if problems := problems_of(self):
            raise ValidationError(dict(problems))
