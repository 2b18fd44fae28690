"""The shape of the figures of recommendations."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from recommendations.serving.impressions.models import PositionBias
from recommendations.serving.impressions.performance import Figures


class PerformanceQuerySerializer(serializers.Serializer):
    since = serializers.DateField(
        required=False, default=None, help_text="First day; 28 days until the last by default."
    )
    until = serializers.DateField(required=False, default=None, help_text="Last day, counted too; today by default.")
    scenario = serializers.SlugField(
        required=False, default="", max_length=50, help_text="One place of the shop alone."
    )


class ShareSerializer(serializers.Serializer):
    """A share with its 95 % interval."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class AmountSerializer(serializers.Serializer):
    currency = serializers.CharField()
    amount = serializers.DecimalField(max_digits=16, decimal_places=2)


class FiguresSerializer(serializers.Serializer):
    shown = serializers.IntegerField(source="figures.shown", help_text="Products shown; each answer counts.")
    clicked = serializers.IntegerField(source="figures.clicked")
    carted = serializers.IntegerField(source="figures.carted", help_text="Of these put into the cart from there.")
    bought = serializers.IntegerField(
        source="figures.bought", help_text="Order lines of the same customers within the window, each counted once."
    )
    revenue = serializers.SerializerMethodField()
    click_rate = ShareSerializer(source="figures.click_rate", allow_null=True)

    @extend_schema_field(AmountSerializer(many=True))
    def get_revenue(self, row: Any) -> list[dict[str, Any]]:
        figures: Figures = row.figures
        amounts = [{"currency": currency, "amount": amount} for currency, amount in sorted(figures.revenue.items())]
        return [dict(amount) for amount in AmountSerializer(amounts, many=True).data]


class PositionSerializer(FiguresSerializer):
    position = serializers.IntegerField()
    examination = serializers.FloatField(
        allow_null=True,
        help_text="How likely it is looked at against the first position; null where nothing is learnt.",
    )


class ScenarioPerformanceSerializer(FiguresSerializer):
    scenario = serializers.CharField()
    examination_method = serializers.ChoiceField(
        source="method", choices=[*PositionBias.Method.values, ""], help_text="How the examination is known."
    )
    positions = PositionSerializer(many=True)


class ModelPerformanceSerializer(FiguresSerializer):
    scenario = serializers.CharField()
    model_version = serializers.CharField()
    strategy = serializers.CharField()
    click_rate_without_position_bias = ShareSerializer(
        source="estimate",
        allow_null=True,
        help_text="If every position were looked at as the first is; the last 28 days.",
    )


class PerformanceSerializer(serializers.Serializer):
    as_of = serializers.DateTimeField(allow_null=True, help_text="When it was counted last; null: never.")
    since = serializers.DateField()
    until = serializers.DateField()
    attribution_days = serializers.IntegerField(help_text="Within which a click or purchase counts as following.")
    open_since = serializers.DateField(help_text="Figures of days from here on may still grow.")
    learnt_at = serializers.DateTimeField(
        source="bias.started_at", allow_null=True, default=None, help_text="When position bias was learnt last."
    )
    scenarios = ScenarioPerformanceSerializer(many=True)
    models = ModelPerformanceSerializer(many=True, source="versions")
