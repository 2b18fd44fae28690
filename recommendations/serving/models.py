"""The settings of placements, and the customers whom serving must not recognize."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from recommendations.engine.placements import DEFAULT_VISIT_SHARE, PLACEMENTS
from recommendations.placement_labels import RECOMMENDATION_PLACEMENT_LABELS, get_placement_label
from recommendations.serving.impressions.models import (
    Impression,
    LoggedJudgement,
    PerformanceDay,
    PerformanceRun,
    PositionBias,
    PositionBiasRun,
    ProductPerformanceDay,
)
from recommendations.serving.search.models import SearchOrder, ShopQuery, Synonym
from recommendations.training.models import ModelVersion

__all__ = [
    "ErasedIdentifier",
    "Impression",
    "LoggedJudgement",
    "PerformanceDay",
    "PerformanceRun",
    "PlacementSettings",
    "PositionBias",
    "PositionBiasRun",
    "Preview",
    "ProductPerformanceDay",
    "SearchOrder",
    "ShopQuery",
    "Synonym",
]

SHARE_VALIDATORS = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class Preview(ModelVersion):
    """The current recommendations of a customer or visitor, with their reasons."""

    class Meta:
        proxy = True
        verbose_name = _("recommendation preview")
        verbose_name_plural = _("recommendation preview")


class PlacementSettings(models.Model):
    """The settings of one placement; for an empty field, the model and its evaluation decide."""

    class Switch(models.TextChoices):
        AUTO = "auto", _("automatic: on if it beats its fallback")
        ON = "on", _("on")
        OFF = "off", _("off: show the fallback")

    class PurchasedProducts(models.TextChoices):
        AUTO = "auto", _("automatic: based on repurchase rates")
        SHOW = "show", _("show again")
        HIDE = "hide", _("do not show again")

    placement = models.CharField(
        _("placement"), max_length=50, unique=True, choices=list(RECOMMENDATION_PLACEMENT_LABELS.items())
    )
    switch = models.CharField(_("status"), max_length=10, choices=Switch, default=Switch.AUTO)
    weights = models.JSONField(
        _("algorithm weights"),
        default=dict,
        blank=True,
        help_text=_(
            'Weight of each algorithm, such as {"item-knn": 0.6, "content": 0.4}. If empty, the trained weights are used.'
        ),
    )
    fallback = models.CharField(
        _("fallback"),
        max_length=50,
        blank=True,
        choices=list(RECOMMENDATION_PLACEMENT_LABELS.items()),
        help_text=_("Shown when this placement has no products. If empty, the default fallback is used."),
    )
    purchased_products = models.CharField(
        _("purchased products"), max_length=10, choices=PurchasedProducts, default=PurchasedProducts.AUTO
    )
    max_purchased_share = models.FloatField(
        _("maximum share of purchased products"),
        null=True,
        blank=True,
        validators=SHARE_VALIDATORS,
        help_text=_(
            "The largest share of positions with products that the customer has bought before, 0 to 1. Further "
            "purchased products are shown only when there are not enough others. If empty, it is 0.3 in “For you” and "
            "1 in all other placements."
        ),
    )
    personal_share = models.FloatField(
        _("personalization"),
        default=0.2,
        validators=SHARE_VALIDATORS,
        help_text=_(
            "How much the visitor's preferences change the order of products related to a product or cart: 0 "
            "is not at all, 1 is completely."
        ),
    )
    visit_share = models.FloatField(
        _("current visit"),
        default=DEFAULT_VISIT_SHARE,
        validators=SHARE_VALIDATORS,
        help_text=_(
            "At least this share of the positions in “For you” shows products related to what the visitor has viewed in the "
            "current visit. The training may choose more. If 0, the training alone decides."
        ),
    )
    diversity = models.FloatField(
        _("diversity"),
        default=0.0,
        validators=SHARE_VALIDATORS,
        help_text=_("0 shows the best products first, 1 the most varied. A request can override it."),
    )
    rotation = models.FloatField(
        _("rotation"),
        default=0.0,
        validators=SHARE_VALIDATORS,
        help_text=_("How much products with similar scores swap positions between periods, 0 to 1."),
    )
    rotation_hours = models.PositiveIntegerField(
        _("rotation period in hours"), default=24, validators=[MinValueValidator(1), MaxValueValidator(720)]
    )
    exploration = models.FloatField(
        _("share of new products"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(0.5)],
        help_text=_("Share of positions in “For you”. If empty, the usual share applies."),  # the form names the share
    )
    margin_weight = models.FloatField(
        _("margin weight"),
        default=0.0,
        validators=SHARE_VALIDATORS,
        help_text=_(
            "With 0, the margin is ignored. With 1, a margin ten percentage points above average raises the "
            "score by 10%."
        ),
    )
    stock_weight = models.FloatField(
        _("stock weight"),
        default=0.0,
        validators=SHARE_VALIDATORS,
        help_text=_(
            "With 0, the stock is ignored. With 1, products with high stock rank higher and products with low "
            "stock rank lower."
        ),
    )
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("placement")
        verbose_name_plural = _("placements")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(placement__in=list(PLACEMENTS)), name="serving_placement_known"),
            models.CheckConstraint(
                condition=Q(
                    personal_share__range=(0, 1),
                    visit_share__range=(0, 1),
                    diversity__range=(0, 1),
                    rotation__range=(0, 1),
                ),
                name="serving_shares_in_range",
            ),
            models.CheckConstraint(
                condition=Q(max_purchased_share__isnull=True) | Q(max_purchased_share__range=(0, 1)),
                name="serving_max_purchased_share_in_range",
            ),
            models.CheckConstraint(condition=~Q(fallback=models.F("placement")), name="serving_no_fallback_to_itself"),
        ]

    def __str__(self) -> str:
        return get_placement_label(self.placement)


class ErasedIdentifier(models.Model):
    """The keyed hash of an erased identifier, which models trained before the erasure must not recognize."""

    digest = models.CharField(_("hash"), max_length=16, unique=True)
    key_id = models.CharField(max_length=8, default="", db_default="", editable=False)
    erased_at = models.DateTimeField(_("erased at"))

    class Meta:
        verbose_name = _("erased identifier")
        verbose_name_plural = _("erased identifiers")

    def __str__(self) -> str:
        return self.digest
