"""Serializers of the recommendation performance report."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.impressions.models import PositionBias
from recommendations.serving.impressions.performance import PerformanceFigures
from recommendations.serving.request import describe_unknown_placement


class PerformanceQuerySerializer(KnownFieldsMixin, serializers.Serializer):
    since = serializers.DateField(
        required=False, default=None, help_text="First day; by default 28 days ending on the last day."
    )
    until = serializers.DateField(required=False, default=None, help_text="Last day, included; default: today.")
    scenario = serializers.SlugField(required=False, default="", max_length=50, help_text="Only this placement.")

    def validate_scenario(self, name: str) -> str:
        if name and name not in PLACEMENTS:
            raise serializers.ValidationError(describe_unknown_placement(name), code="does_not_exist")
        return name


class ShareSerializer(serializers.Serializer):
    """A share with its 95% interval."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class AmountSerializer(serializers.Serializer):
    currency = serializers.CharField()
    amount = serializers.DecimalField(max_digits=16, decimal_places=2)


class PerformanceFiguresSerializer(serializers.Serializer):
    shown = serializers.IntegerField(source="figures.shown", help_text="Products shown, counted once per response.")
    clicked = serializers.IntegerField(source="figures.clicked")
    carted = serializers.IntegerField(
        source="figures.carted", help_text="Clicked products that were added to the cart."
    )
    bought = serializers.IntegerField(
        source="figures.bought",
        help_text="Order lines of the same customers within the attribution window, each counted once.",
    )
    orders = serializers.IntegerField(
        source="figures.orders", help_text="Orders with at least one of these lines, each counted once in a placement."
    )
    revenue = serializers.SerializerMethodField()
    click_rate = ShareSerializer(source="figures.click_rate", allow_null=True)

    @extend_schema_field(AmountSerializer(many=True))
    def get_revenue(self, row: Any) -> list[dict[str, Any]]:
        figures: PerformanceFigures = row.figures
        amounts = [{"currency": currency, "amount": amount} for currency, amount in sorted(figures.revenue.items())]
        return [dict(amount) for amount in AmountSerializer(amounts, many=True).data]


class PositionPerformanceSerializer(PerformanceFiguresSerializer):
    position = serializers.IntegerField()
    examination = serializers.FloatField(
        allow_null=True,
        help_text="Probability of being looked at relative to the first position; null if not estimated.",
    )


class ScenarioPerformanceSerializer(PerformanceFiguresSerializer):
    scenario = serializers.CharField()
    examination_method = serializers.ChoiceField(
        source="method",
        choices=[*PositionBias.Method.values, ""],
        help_text="How the examination probability is estimated.",
    )
    positions = PositionPerformanceSerializer(many=True)


class ModelPerformanceSerializer(PerformanceFiguresSerializer):
    scenario = serializers.CharField()
    model_version = serializers.CharField()
    strategy = serializers.CharField()
    click_rate_without_position_bias = ShareSerializer(
        source="estimate",
        allow_null=True,
        help_text="Click-through rate of the last 28 days if every position were looked at like the first.",
    )


class PerformanceSerializer(serializers.Serializer):
    as_of = serializers.DateTimeField(allow_null=True, help_text="Time of the last attribution run; null: never.")
    since = serializers.DateField()
    until = serializers.DateField()
    attribution_days = serializers.IntegerField(
        help_text="Days after an impression within which clicks and purchases are attributed."
    )
    open_since = serializers.DateField(help_text="Figures of this day and later may still change.")
    learnt_at = serializers.DateTimeField(
        source="bias.started_at", allow_null=True, default=None, help_text="Time of the last position bias estimate."
    )
    scenarios = ScenarioPerformanceSerializer(many=True)
    models = ModelPerformanceSerializer(many=True, source="versions")
