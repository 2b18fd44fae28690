"""Serializers of the outcomes."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from customers.analytics.outcomes.parameters import SPLITS, UNITS
from customers.segments.models import Segment
from recommendations.measurement.comparison import ComparisonVerdict
from recommendations.measurement.result_serializers import IntervalSerializer
from recommendations.outcomes.period_choice import MAX_PERIODS


class OutcomeQuerySerializer(KnownFieldsMixin, serializers.Serializer[Any]):
    """Which outcomes are asked for."""

    unit = serializers.ChoiceField(choices=[unit.value for unit in UNITS], default="month")
    periods = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_PERIODS,
        help_text=_("Periods before the current one; by default 13 weeks, 12 months or 5 quarters."),
    )
    segment = serializers.CharField(
        required=False, max_length=100, help_text=_("Key of a segment. All periods use its current members.")
    )
    split = serializers.ChoiceField(
        choices=[split for split in SPLITS if split],
        required=False,
        help_text=_(
            "channel: the sales channel for orders, the traffic source for sessions. segment: its members and all other "
            "customers. stage, city: the customer's current stage or city."
        ),
    )

    def validate_segment(self, key: str) -> str:
        if not Segment.objects.filter(key=key).exists():
            raise serializers.ValidationError(_("Unknown segment %(key)s.") % {"key": repr(key)}, code="does_not_exist")
        return key

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("split") == "segment" and not attrs.get("segment"):
            message = _("Required with split=segment: the segment that is compared with all other customers.")
            raise serializers.ValidationError({"segment": message}, code="required")
        return attrs


class OutcomeGroupSerializer(serializers.Serializer[Any]):
    """A group of a split."""

    label = serializers.CharField(  # type: ignore[assignment]
        allow_null=True,
        help_text=_(
            "The channel, stage or city, or member or not_member. Null if unknown, and for the group of all others."
        ),
    )
    is_other = serializers.BooleanField(help_text=_("All channels or cities without a group of their own."))


class RevenueChangeSerializer(serializers.Serializer[Any]):
    """A change of revenue. customers, orders_per_customer and order_value are its parts, which add up to it."""

    before = serializers.FloatField()
    change = serializers.FloatField()
    relative = serializers.FloatField(allow_null=True)
    customers = serializers.FloatField(allow_null=True)
    orders_per_customer = serializers.FloatField(allow_null=True)
    order_value = serializers.FloatField(allow_null=True)


class OutcomePeriodSerializer(serializers.Serializer[Any]):
    start = serializers.DateField()
    is_complete = serializers.BooleanField(help_text=_("True if the period has ended and the data began before it."))


class GrowthPeriodSerializer(OutcomePeriodSerializer):
    customers = serializers.IntegerField()
    orders = serializers.IntegerField()
    revenue = serializers.FloatField(
        help_text=_("Net of returns, in the shop's currency, or in that of most orders if no order has it.")
    )
    revenue_per_customer = serializers.FloatField(allow_null=True)
    orders_per_customer = serializers.FloatField(allow_null=True)
    order_value = serializers.FloatField(allow_null=True)
    previous = RevenueChangeSerializer(
        allow_null=True, help_text=_("Compared with the period before, if both are complete.")
    )
    year = RevenueChangeSerializer(allow_null=True, help_text=_("Compared with the same period a year before."))


class RepeatPeriodSerializer(OutcomePeriodSerializer):
    customers_before = serializers.IntegerField(help_text=_("Customers who ordered in the period before."))
    returned = serializers.IntegerField(help_text=_("Those of them who order in this period."))
    share = serializers.FloatField(allow_null=True)


class ConversionPeriodSerializer(OutcomePeriodSerializer):
    visits = serializers.IntegerField(help_text=_("Sessions that began in the period."))
    converted = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True)
    visitors = serializers.IntegerField()
    buyers = serializers.IntegerField()
    visitor_rate = serializers.FloatField(allow_null=True)
    orders = serializers.IntegerField(allow_null=True, help_text=_("All orders of the period; null for groups."))
    tracked_orders = serializers.IntegerField(allow_null=True, help_text=_("Those that belong to a session."))


class SatisfactionEstimateSerializer(serializers.Serializer[Any]):
    """A value with its 95% interval."""

    answers = serializers.IntegerField()
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class SatisfactionPeriodSerializer(OutcomePeriodSerializer):
    rating = SatisfactionEstimateSerializer(help_text=_("Stars of reviews, 1 to 5."))
    nps = SatisfactionEstimateSerializer(help_text=_("In points, −100 to 100."))
    csat = SatisfactionEstimateSerializer(help_text=_("The share of answers of 4–5."))


class GrowthGroupSerializer(serializers.Serializer[Any]):
    group = OutcomeGroupSerializer(allow_null=True, help_text=_("Null for all customers together."))
    periods = GrowthPeriodSerializer(many=True)


class RepeatGroupSerializer(serializers.Serializer[Any]):
    group = OutcomeGroupSerializer(allow_null=True, help_text=_("Null for all customers together."))
    periods = RepeatPeriodSerializer(many=True)


class ConversionGroupSerializer(serializers.Serializer[Any]):
    group = OutcomeGroupSerializer(allow_null=True, help_text=_("Null for all customers together."))
    periods = ConversionPeriodSerializer(many=True)


class SatisfactionGroupSerializer(serializers.Serializer[Any]):
    group = OutcomeGroupSerializer(allow_null=True, help_text=_("Null for all customers together."))
    periods = SatisfactionPeriodSerializer(many=True)


class OutcomeStateSerializer(serializers.Serializer[Any]):
    """A measure. groups is empty until it has been computed for the first time."""

    as_of = serializers.DateTimeField(allow_null=True)
    is_current = serializers.BooleanField(help_text=_("True if the result includes all current data."))
    is_computing = serializers.BooleanField(
        help_text=_("True while the result is being computed; request it again in a moment.")
    )
    error = serializers.CharField(allow_blank=True, help_text=_("Why the last computation failed."))


class GrowthSerializer(OutcomeStateSerializer):
    guest_revenue = serializers.FloatField(
        allow_null=True, help_text=_("Revenue of orders without a known customer; not included in the other figures.")
    )
    groups = GrowthGroupSerializer(many=True)


class RepeatSerializer(OutcomeStateSerializer):
    groups = RepeatGroupSerializer(many=True)


class ConversionSerializer(OutcomeStateSerializer):
    groups = ConversionGroupSerializer(many=True)


class SatisfactionOutcomeSerializer(OutcomeStateSerializer):
    groups = SatisfactionGroupSerializer(many=True)


class RetentionLiftSerializer(serializers.Serializer[Any]):
    """Of the customers who had ordered before they could be compared, the share who order in the window."""

    treated_customers = serializers.IntegerField()
    holdout_customers = serializers.IntegerField()
    treated = serializers.FloatField()
    holdout = serializers.FloatField()
    effect = IntervalSerializer()


class LiftPeriodSerializer(serializers.Serializer[Any]):
    """The incremental lift in a month, or since the holdout group began if month is null. Effects are null while unknown."""

    month = serializers.DateField(allow_null=True)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    is_running = serializers.BooleanField()
    verdict = serializers.ChoiceField(choices=[verdict.value for verdict in ComparisonVerdict])
    marketing_customers = serializers.IntegerField()
    holdout_customers = serializers.IntegerField()
    revenue = IntervalSerializer(allow_null=True, help_text=_("Additional revenue of all customers with marketing."))
    revenue_per_customer = IntervalSerializer(allow_null=True)
    conversion = IntervalSerializer(
        allow_null=True, help_text=_("Difference between the shares of customers who order in the window.")
    )
    retention = RetentionLiftSerializer(allow_null=True)
    shop_revenue = serializers.FloatField(allow_null=True, help_text=_("Revenue of all customers in complete months."))
    share = serializers.FloatField(
        allow_null=True, help_text=_("The share of that revenue that is incremental lift of marketing.")
    )


class MarketingLiftSerializer(serializers.Serializer[Any]):
    """The incremental lift of marketing for all customers. It is not measured for satisfaction."""

    total = LiftPeriodSerializer(allow_null=True)
    months = LiftPeriodSerializer(many=True)


class OutcomesSerializer(serializers.Serializer[Any]):
    """The four outcomes of a shop, and the incremental lift of marketing."""

    unit = serializers.ChoiceField(choices=[unit.value for unit in UNITS])
    since = serializers.DateField()
    until = serializers.DateField()
    segment = serializers.CharField(allow_blank=True)
    split = serializers.CharField(allow_blank=True)
    growth = GrowthSerializer()
    retention = RepeatSerializer()
    conversion = ConversionSerializer()
    satisfaction = SatisfactionOutcomeSerializer()
    incremental_lift = MarketingLiftSerializer(allow_null=True, help_text=_("Null without the scope campaigns:read."))
