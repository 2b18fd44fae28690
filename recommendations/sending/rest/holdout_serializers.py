"""Serializers of the reports about the effects of marketing and recommendations."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from recommendations.measurement.comparison import ComparisonVerdict
from recommendations.measurement.result_serializers import IntervalSerializer, MeasureSerializer


class HoldoutGroupSerializer(serializers.Serializer[Any]):
    """What a group did; revenue is net of returns."""

    customers = serializers.IntegerField()
    buyers = serializers.IntegerField()
    orders = serializers.IntegerField()
    revenue = serializers.FloatField()
    margin = serializers.FloatField(allow_null=True)
    written_to = serializers.IntegerField(help_text=_("Customers who were sent marketing."))
    messages = serializers.IntegerField()


class RecommendationGroupSerializer(serializers.Serializer[Any]):
    """What a group did; revenue is net of returns."""

    customers = serializers.IntegerField(help_text=_("Customers, and visitors who are not customers yet."))
    buyers = serializers.IntegerField()
    orders = serializers.IntegerField()
    revenue = serializers.FloatField()
    margin = serializers.FloatField(allow_null=True)


class MeasuredEffectSerializer(serializers.Serializer[Any]):
    """An effect in a month, or since began_at if month is null. Effects are null while too few customers ordered."""

    month = serializers.DateField(allow_null=True)
    began_at = serializers.DateTimeField()
    until = serializers.DateTimeField()
    measured_at = serializers.DateTimeField()
    is_running = serializers.BooleanField(
        help_text=_(
            "True if the window has not ended. Its intervals are then wider, so that they stay valid when checked every day."
        )
    )
    currency = serializers.CharField()
    verdict = serializers.ChoiceField(choices=[verdict.value for verdict in ComparisonVerdict])
    sample_ratio_p = serializers.FloatField(
        help_text=_("Below 0.001, customers were not assigned to the groups at random.")
    )
    conversion = MeasureSerializer(allow_null=True)
    orders = MeasureSerializer(allow_null=True)
    revenue = MeasureSerializer(allow_null=True)
    margin = MeasureSerializer(allow_null=True)
    cost = IntervalSerializer(
        allow_null=True,
        help_text=_("Additional revenue that the holdout group would have generated without being held out."),
    )
    needed_months = serializers.IntegerField(
        allow_null=True, help_text=_("Number of months after which a difference of 10% could be detected.")
    )
    needed_customers = serializers.IntegerField(
        allow_null=True, help_text=_("Number of customers with which it could have been detected in the same time.")
    )


class HoldoutEffectSerializer(MeasuredEffectSerializer):
    """What marketing caused."""

    marketing = HoldoutGroupSerializer()
    holdout = HoldoutGroupSerializer()


class RecommendationEffectSerializer(MeasuredEffectSerializer):
    """The incremental lift of recommendations."""

    recommendations = RecommendationGroupSerializer()
    holdout = RecommendationGroupSerializer()


class HoldoutChangeSerializer(serializers.Serializer[Any]):
    """A share of the holdout group and the time from which it applies."""

    changed_at = serializers.DateTimeField()
    share = serializers.DecimalField(max_digits=5, decimal_places=4)


class HoldoutReportSerializer(serializers.Serializer[Any]):
    """Incremental lift of all marketing: the months, latest first, and the whole time."""

    share = serializers.DecimalField(max_digits=5, decimal_places=4, help_text=_("The share held out now."))
    total = HoldoutEffectSerializer(allow_null=True)
    months = HoldoutEffectSerializer(many=True)
    changes = HoldoutChangeSerializer(many=True)


class RecommendationReportSerializer(serializers.Serializer[Any]):
    """Incremental lift of recommendations: the months of all experiments, latest first, and the whole time of the latest experiment."""

    experiment = serializers.CharField(
        allow_null=True,
        help_text=_("The key of the latest experiment of the kind holdout; null if none was ever started."),
    )
    is_simulated = serializers.BooleanField(help_text=_("Its visitors and orders are made up."))
    total = RecommendationEffectSerializer(allow_null=True)
    months = RecommendationEffectSerializer(many=True)
