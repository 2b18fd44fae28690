"""Merchandising rules: which products, in which placements, for whom and when, and what happens to them."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from customers.segments.models import Segment
from recommendations.merchandising.choices import (
    MAX_POSITION,
    MAX_PRIORITY,
    MAX_PRODUCT_IDS,
    RuleAction,
    RulePlacement,
    Weekday,
)
from recommendations.merchandising.rules.validation import (
    RANGES,
    find_rule_problems,
    require_factor,
    require_order,
    require_product_condition,
)


class Rule(models.Model):
    """An action on some products in some placements, for all visitors or a segment, always or on a schedule."""

    name = models.CharField(_("name"), max_length=200)
    enabled = models.BooleanField(_("enabled"), default=True)
    priority = models.SmallIntegerField(
        _("priority"),
        default=0,
        validators=[MinValueValidator(-MAX_PRIORITY), MaxValueValidator(MAX_PRIORITY)],
        help_text=_("If rules conflict, the one with the higher priority wins."),
    )

    action = models.CharField(_("action"), max_length=10, choices=RuleAction)
    position = models.PositiveSmallIntegerField(
        _("position"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_POSITION)],
        help_text=_("Only for pin. 1 is the first position. Several products take consecutive positions from there."),
    )
    factor = models.DecimalField(
        _("factor"),
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("Factor for the score: 1.01 to 100 for boost, 0.01 to 0.99 for bury."),
    )

    scenarios = ArrayField(
        models.CharField(max_length=20, choices=RulePlacement),
        verbose_name=_("placements"),
        default=list,
        blank=True,
        help_text=_("Leave empty for all placements."),
    )
    category = models.CharField(
        _("category path"), max_length=1000, blank=True, help_text=_("Includes all subcategories.")
    )
    brand = models.CharField(_("brand"), max_length=200, blank=True)
    product_ids = ArrayField(
        models.CharField(max_length=200), verbose_name=_("product IDs"), default=list, blank=True, size=MAX_PRODUCT_IDS
    )
    attribute_name = models.CharField(_("attribute"), max_length=200, blank=True)
    attribute_value = models.CharField(_("attribute value"), max_length=500, blank=True)
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
        help_text=_("As a share of the price: 0.3 means 30%. Products without a cost do not match."),
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
        _("stock from"), null=True, blank=True, help_text=_("Products without stock tracking do not match.")
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
        help_text=_("Leave empty for all visitors."),
    )
    starts_at = models.DateTimeField(_("starts at"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends at"), null=True, blank=True)
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(choices=Weekday),
        verbose_name=_("weekdays"),
        default=list,
        blank=True,
        help_text=_("Leave empty for every day. Days start at midnight in the shop's time zone."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["-priority", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="merchandising_rule_has_name"),
            models.CheckConstraint(condition=Q(action__in=RuleAction.values), name="merchandising_rule_action_known"),
            models.CheckConstraint(
                condition=Q(scenarios__contained_by=RulePlacement.values), name="merchandising_rule_scenarios_known"
            ),
            models.CheckConstraint(
                condition=Q(weekdays__contained_by=Weekday.values), name="merchandising_rule_weekdays_known"
            ),
            models.CheckConstraint(
                condition=Q(priority__gte=-MAX_PRIORITY, priority__lte=MAX_PRIORITY),
                name="merchandising_rule_priority_range",
            ),
            models.CheckConstraint(
                # a check that is NULL passes, hence "is not null" next to every comparison
                condition=(
                    Q(action=RuleAction.PIN, position__isnull=False, position__gte=1, position__lte=MAX_POSITION)
                    & ~Q(product_ids=[])
                    | ~Q(action=RuleAction.PIN) & Q(position__isnull=True)
                ),
                name="merchandising_rule_pin_has_place_and_products",
            ),
            models.CheckConstraint(
                condition=require_factor(),
                name="merchandising_rule_factor_fits_action",
            ),
            models.CheckConstraint(condition=require_product_condition(), name="merchandising_rule_names_products"),
            models.CheckConstraint(
                condition=Q(attribute_name="", attribute_value="") | ~Q(attribute_name="") & ~Q(attribute_value=""),
                name="merchandising_rule_attribute_has_value",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(starts_at__lt=F("ends_at")),
                name="merchandising_rule_starts_before_it_ends",
            ),
            *(
                models.CheckConstraint(condition=require_order(low, high), name=f"merchandising_rule_{low}_to")
                for low, high, _name in RANGES
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Report every problem of the rule by field."""
        if problems := find_rule_problems(self):
            raise ValidationError(dict(problems))
