"""Serializers of comparisons, which the endpoints of campaigns, flows and experiments share."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from recommendations.measurement.comparison import ComparisonVerdict
from recommendations.measurement.guards import Guard, GuardVerdict
from recommendations.measurement.outcomes.margins import MarginBasis


def list_choices(enum: Any) -> list[str]:
    return [member.value for member in enum]


class IntervalSerializer(serializers.Serializer[Any]):
    """An estimate with its 95% interval."""

    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class GroupFiguresSerializer(serializers.Serializer[Any]):
    """What a group did in its window; revenue and margin are net of returns."""

    customers = serializers.IntegerField()
    reached = serializers.IntegerField(help_text=_("Customers who reached the goal."))
    buyers = serializers.IntegerField()
    conversion_rate = serializers.FloatField(allow_null=True)
    orders = serializers.IntegerField()
    revenue = serializers.FloatField()
    margin = serializers.FloatField(allow_null=True)
    clicked = serializers.IntegerField()
    orders_after_click = serializers.IntegerField(help_text=_("Attribution, not effect."))
    revenue_after_click = serializers.FloatField(help_text=_("Attribution, not effect."))


class RecommendedSalesSerializer(serializers.Serializer[Any]):
    """What is attributed to the products that messages recommended: attribution, not effect."""

    customers = serializers.IntegerField(help_text=_("Customers who got a message with recommended products."))
    clicked = serializers.IntegerField(help_text=_("Customers who clicked one of these products."))
    orders = serializers.IntegerField(
        help_text=_("Orders with a product that a message had recommended to the same customer, within the window.")
    )
    revenue = serializers.FloatField(help_text=_("Revenue from these products, net of refunds."))


class MeasureSerializer(serializers.Serializer[Any]):
    """One measure per customer in both groups. effect: the difference to read; while the test runs, its interval is always valid."""

    treated = serializers.FloatField()
    control = serializers.FloatField()
    effect = IntervalSerializer()
    total = IntervalSerializer(help_text=_("The effect times the treated customers."))
    relative = IntervalSerializer(allow_null=True, help_text=_("Relative lift; 0.1 means 10% more."))
    difference = IntervalSerializer(
        help_text=_("Not adjusted: Newcombe's interval for shares, the wider of Welch's and Student's for means.")
    )
    adjusted = IntervalSerializer(help_text=_("Adjusted by CUPED, interval of a single look."))
    sequential = IntervalSerializer(help_text=_("Adjusted by CUPED, always-valid interval."))
    bootstrap = IntervalSerializer(allow_null=True)
    removed = serializers.FloatField(help_text=_("The share of the variance that the adjustment removes."))


class GuardSerializer(serializers.Serializer[Any]):
    """A guard metric. harm: the interval is above 0, or for complaints above the tolerance; no_harm: below the tolerance."""

    guard = serializers.ChoiceField(choices=list_choices(Guard))
    treated = serializers.FloatField()
    control = serializers.FloatField(allow_null=True)
    difference = IntervalSerializer()
    tolerance = serializers.FloatField()
    verdict = serializers.ChoiceField(choices=list_choices(GuardVerdict))


class DetectabilitySerializer(serializers.Serializer[Any]):
    """What these numbers can show with 80% power, in revenue."""

    smallest = serializers.FloatField(help_text=_("The smallest detectable additional revenue per customer."))
    relative = serializers.FloatField(allow_null=True, help_text=_("The same, relative to the control group."))
    total = serializers.FloatField(help_text=_("The same for all treated customers."))
    wanted = serializers.FloatField(
        allow_null=True, help_text=_("10% of the revenue per customer of the control group.")
    )
    factor = serializers.FloatField(
        allow_null=True, help_text=_("By what factor the number of customers would have to grow to detect it.")
    )
    possible_at = serializers.DateTimeField(
        allow_null=True, help_text=_("When it can be detected at the current pace.")
    )


class PartSerializer(serializers.Serializer[Any]):
    """The effect on the revenue per customer in one part; the intervals of a dimension are valid simultaneously."""

    dimension = serializers.CharField()
    value = serializers.CharField()
    treated_customers = serializers.IntegerField()
    control_customers = serializers.IntegerField()
    treated = serializers.FloatField()
    control = serializers.FloatField()
    effect = IntervalSerializer()
    total = IntervalSerializer()


class ComparisonSerializer(serializers.Serializer[Any]):
    """The treated customers against the holdout group, by intent to treat."""

    as_of = serializers.DateTimeField()
    verdict = serializers.ChoiceField(
        choices=list_choices(ComparisonVerdict), help_text=_("The verdict on the revenue.")
    )
    is_final = serializers.BooleanField()
    final_at = serializers.DateTimeField(allow_null=True)
    sample_ratio_p = serializers.FloatField(
        help_text=_("Below 0.001, customers were not assigned to the groups at random.")
    )
    recipients = GroupFiguresSerializer(source="treated")
    holdout = GroupFiguresSerializer(source="control")
    margin_basis = serializers.ChoiceField(choices=list_choices(MarginBasis))
    conversion = MeasureSerializer(allow_null=True)
    orders = MeasureSerializer(allow_null=True)
    revenue = MeasureSerializer(allow_null=True)
    margin = MeasureSerializer(allow_null=True)
    guards = GuardSerializer(many=True)
    detectability = DetectabilitySerializer(allow_null=True)
    parts = PartSerializer(many=True)
