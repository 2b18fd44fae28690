"""How the places of the shop are set, and who is not to be recognised."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from recommendations.engine.placements import SCENARIOS
from recommendations.placement_labels import SCENARIO_NAMES, place_name
from recommendations.serving.impressions.models import (
    Impression,
    LoggedJudgement,
    PerformanceDay,
    PerformanceRun,
    PositionBias,
    PositionBiasRun,
)
from recommendations.serving.search.models import Synonym
from recommendations.training.models import ModelVersion

__all__ = [
    "ErasedIdentifier",
    "Impression",
    "LoggedJudgement",
    "PerformanceDay",
    "PerformanceRun",
    "PositionBias",
    "PositionBiasRun",
    "Preview",
    "ScenarioSettings",
    "Synonym",
]

SHARE = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class Preview(ModelVersion):
    """What a person would be shown now, and why."""

    class Meta:
        proxy = True
        verbose_name = _("recommendation preview")
        verbose_name_plural = _("recommendation preview")


class ScenarioSettings(models.Model):
    """How one place of the shop is filled; what is left empty follows the model and its judgement."""

    class Switch(models.TextChoices):
        AUTO = "auto", _("as the model was judged")
        ON = "on", _("on")
        OFF = "off", _("off: its fallback serves")

    class Bought(models.TextChoices):
        AUTO = "auto", _("as customers of this shop do")
        SHOW = "show", _("show again")
        HIDE = "hide", _("do not show again")

    scenario = models.CharField(_("place"), max_length=50, unique=True, choices=list(SCENARIO_NAMES.items()))
    switch = models.CharField(_("in use"), max_length=10, choices=Switch, default=Switch.AUTO)
    weights = models.JSONField(
        _("weights"),
        default=dict,
        blank=True,
        help_text=_("Part of the model and its share, such as {“item-knn”: 0.6, “content”: 0.4}; empty: as trained."),
    )
    fallback = models.CharField(
        _("fallback"),
        max_length=50,
        blank=True,
        choices=list(SCENARIO_NAMES.items()),
        help_text=_("Which place takes over where this one has nothing to show; empty: the usual one."),
    )
    bought = models.CharField(_("what somebody has bought"), max_length=10, choices=Bought, default=Bought.AUTO)
    personal = models.FloatField(
        _("personal share"),
        default=0.2,
        validators=SHARE,
        help_text=_("How much whoever is looking moves places that start from a product, from 0 to 1."),
    )
    diversity = models.FloatField(
        _("diversity"),
        default=0.0,
        validators=SHARE,
        help_text=_("From 0, the best first, to 1, as different as can be. A request may say otherwise."),
    )
    rotation = models.FloatField(
        _("rotation"),
        default=0.0,
        validators=SHARE,
        help_text=_(
            "How much products of nearly the same score change places from one period to the next, from 0 to 1."
        ),
    )
    rotation_hours = models.PositiveIntegerField(
        _("hours of a period"), default=24, validators=[MinValueValidator(1), MaxValueValidator(720)]
    )
    exploration = models.FloatField(
        _("share of new products"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(0.5)],
        help_text=_("Of the places of “for you”; empty: the setting RECOMMEND_EXPLORATION_SHARE."),
    )
    margin_weight = models.FloatField(
        _("weight of the margin"),
        default=0.0,
        validators=SHARE,
        help_text=_(
            "0: the margin does not matter; 1: a product with a margin ten points above the mean counts a tenth more."
        ),
    )
    stock_weight = models.FloatField(
        _("weight of the stock"),
        default=0.0,
        validators=SHARE,
        help_text=_(
            "0: the stock does not matter; 1: what there is plenty of counts more, and what is nearly sold out less."
        ),
    )
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("place of the shop")
        verbose_name_plural = _("places of the shop")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(scenario__in=list(SCENARIOS)), name="serving_scenario_known"),
            models.CheckConstraint(
                condition=Q(personal__range=(0, 1), diversity__range=(0, 1), rotation__range=(0, 1)),
                name="serving_shares_in_range",
            ),
            models.CheckConstraint(condition=~Q(fallback=models.F("scenario")), name="serving_no_fallback_to_itself"),
        ]

    def __str__(self) -> str:
        return place_name(self.scenario)


class ErasedIdentifier(models.Model):
    """A keyed hash of an identifier of somebody who was erased: a model that was trained before must not know them any more."""

    digest = models.CharField(_("digest"), max_length=16, unique=True)
    erased_at = models.DateTimeField(_("erased at"))

    class Meta:
        verbose_name = _("erased identifier")
        verbose_name_plural = _("erased identifiers")

    def __str__(self) -> str:
        return self.digest
