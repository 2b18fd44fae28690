"""Serializers of experiments."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from recommendations.experiments.models import Experiment, Variant
from recommendations.experiments.results import ExperimentVerdict


class VariantSerializer(serializers.ModelSerializer[Variant]):
    share = serializers.FloatField(help_text=_("As planned."))
    allocation = serializers.FloatField(allow_null=True, help_text=_("The current share, if a bandit changes it."))
    config = serializers.JSONField(help_text=_("The settings that differ from the current ones."))

    class Meta:
        model = Variant
        fields = ["key", "name", "share", "allocation", "config", "is_control", "is_promoted"]


class ExperimentSerializer(serializers.ModelSerializer[Experiment]):
    kind = serializers.CharField(help_text=_("placement, search_order, holdout, offer or message."))
    subject = serializers.CharField(
        help_text=_("The placement, or the key of the offer or campaign; empty for other kinds.")
    )
    variants = VariantSerializer(many=True)

    class Meta:
        model = Experiment
        fields = [
            "key",
            "name",
            "kind",
            "subject",
            "unit",
            "status",
            "method",
            "metric",
            "planned_days",
            "is_simulated",
            "created_at",
            "started_at",
            "stopped_at",
            "promoted_at",
            "archived_at",
            "variants",
        ]
        read_only_fields = fields


class VariantPromotionSerializer(KnownFieldsMixin, serializers.Serializer[Any]):
    variant = serializers.SlugField(max_length=10, help_text=_("The key of the variant, such as b."))


class EffectIntervalSerializer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class VariantMetricSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField(help_text=_("orders, revenue, margin, clicks or returns."))
    mean = serializers.FloatField(help_text=_("Per customer or visitor."))
    total = serializers.FloatField()
    effect = EffectIntervalSerializer(
        allow_null=True,
        help_text=_(
            "Difference from the control, with an interval that stays valid no matter how often it is viewed; null for the control."
        ),
    )
    relative = EffectIntervalSerializer(allow_null=True, help_text=_("The same relative to the control: 0.1 is +10%."))
    removed = serializers.FloatField(
        help_text=_("Share of the variance that the adjustment for earlier orders removes.")
    )


class VariantResultSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    is_control = serializers.BooleanField()
    is_promoted = serializers.BooleanField()
    share = serializers.FloatField()
    allocation = serializers.FloatField()
    units = serializers.IntegerField(
        help_text=_(
            "Customers or visitors who were exposed to this variant first; of a bandit, those whose time to order is over: a quarter of "
            "the planned days, at most 7 days."
        )
    )
    buyers = serializers.IntegerField()
    metrics = VariantMetricSerializer(many=True)
    best_probability = serializers.FloatField(
        allow_null=True,
        help_text=_(
            "The probability that it is the best variant. For bandits only, once at least 10 people have ordered with each variant."
        ),
    )


class VariantPreferenceSerializer(serializers.Serializer[Any]):
    people = serializers.IntegerField(help_text=_("Customers or visitors who were shown products of both variants."))
    clicked = serializers.IntegerField(help_text=_("How many of them clicked a product in such a list."))
    credited = serializers.IntegerField(
        help_text=_("How many of them clicked a product that belongs to one of the variants.")
    )
    control = serializers.IntegerField(help_text=_("People who clicked more products of the control."))
    variant = serializers.IntegerField(help_text=_("People who clicked more products of the variant."))
    ties = serializers.IntegerField(help_text=_("Credited people who clicked equally many products of both."))
    share = EffectIntervalSerializer(
        help_text=_(
            "Share of the counted clicks that were on the variant’s products. The interval stays valid no matter how often it "
            "is viewed."
        )
    )
    p_value = serializers.FloatField(
        help_text=_(
            "p-value of the hypothesis that the share is one half; it stays valid no matter how often it is viewed."
        )
    )
    needed = serializers.IntegerField(
        help_text=_("Number of credited people needed at the planned end to detect a preference of 60% to 40%.")
    )
    missing = serializers.IntegerField(help_text=_("How many more of them are needed."))
    clicks = serializers.ListField(
        child=serializers.IntegerField(),
        help_text=_("Clicked products of the control and of the variant. The first 10 clicks of each person count."),
    )
    orders = serializers.ListField(
        child=serializers.IntegerField(), help_text=_("Clicked products that were ordered afterwards.")
    )


class ExperimentResultsSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    verdict = serializers.ChoiceField(choices=[verdict.value for verdict in ExperimentVerdict])
    best = serializers.CharField(allow_blank=True, help_text=_("The key of the variant that the verdict is about."))
    fraction = serializers.FloatField(help_text=_("Elapsed share of the planned days."))
    sample_ratio_p = serializers.FloatField(help_text=_("Below 0.001, the group sizes cannot be due to chance."))
    has_margin = serializers.BooleanField()
    variants = VariantResultSerializer(many=True)
    preference = VariantPreferenceSerializer(
        allow_null=True,
        help_text=_(
            "Which variant's products people clicked more often; for interleaving only, which has no other metrics."
        ),
    )
