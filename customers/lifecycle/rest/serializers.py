"""Serializers of profiles, stage histories and the lifecycle summary."""

from datetime import MAXYEAR, MINYEAR, datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext as _
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from customers.identity.rest.masked_fields import MaskedIdField
from customers.lifecycle.models import NextOrderReason, RfmGroup, ScoreModel, Stage, StageTransition
from customers.lifecycle.portrait.customer_profile import NOT_YET, REASON_NAMES, RFM_REASON_NAMES
from customers.lifecycle.portrait.line import FactSource, MissingReason, PortraitGroup, ValueFormat
from customers.lifecycle.portrait.portrait import WithheldReason
from customers.lifecycle.refresh.columns import PROFILE_COLUMNS
from customers.lifecycle.scoring.propensity.levels import ADJUSTMENTS, LEVEL_REASONS


class StageSerializer(serializers.Serializer):
    key = serializers.ChoiceField(choices=Stage.choices)
    name = serializers.CharField(help_text="In the language requested by Accept-Language.")
    since = serializers.DateTimeField(allow_null=True)
    reason = serializers.ChoiceField(choices=StageTransition.Reason.choices, allow_blank=True)
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")
    previous_stage = serializers.ChoiceField(choices=Stage.choices, allow_blank=True)
    next_change_at = serializers.DateTimeField(
        allow_null=True, help_text="When the stage changes if the customer does not order."
    )
    rules_version = serializers.IntegerField(allow_null=True)
    explanation = serializers.CharField(
        allow_blank=True,
        help_text="How unusual the time since the last order is for this customer, in the language of Accept-Language; "
        "empty without an order.",
    )


class RfmSerializer(serializers.Serializer):
    r = serializers.IntegerField(min_value=1, max_value=5, help_text="Recency; 5 is the best.")
    f = serializers.IntegerField(min_value=1, max_value=5, help_text="Frequency; 5 is the best.")
    m = serializers.IntegerField(min_value=1, max_value=5, help_text="Monetary value; 5 is the best.")
    group = serializers.ChoiceField(choices=RfmGroup.choices)
    group_name = serializers.CharField(help_text="In the language requested by Accept-Language.")


class WindowRfmSerializer(serializers.Serializer):
    """RFM of the orders in the window before the refresh; null without orders, for the reason given."""

    days = serializers.IntegerField(allow_null=True, help_text="Length of the window in days.")
    r = serializers.IntegerField(min_value=1, max_value=5, allow_null=True, help_text="Recency; 5 is the best.")
    f = serializers.IntegerField(min_value=1, max_value=5, allow_null=True, help_text="Frequency; 5 is the best.")
    m = serializers.IntegerField(min_value=1, max_value=5, allow_null=True, help_text="Monetary value; 5 is the best.")
    group = serializers.ChoiceField(choices=RfmGroup.choices, allow_blank=True)
    group_name = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")
    orders = serializers.IntegerField(help_text="In the window.")
    revenue = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="In the window.")
    reason = serializers.CharField(
        allow_blank=True, help_text=f"Why there are no scores: {', '.join(RFM_REASON_NAMES)}; empty if there are."
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")


class HeldIntervalsSerializer(serializers.Serializer):
    """How often 80% intervals contained what customers then did, in a test on the latest orders."""

    stated = serializers.FloatField(help_text="The stated probability of the intervals: 0.8.")
    days = serializers.IntegerField(
        help_text="Length of the test in days: predictions made that many days ago, compared with the orders since then."
    )
    customers = serializers.IntegerField(help_text="Customers tested.")
    orders = serializers.FloatField(
        allow_null=True, help_text="Share of customers whose days with an order were within the interval."
    )
    spend = serializers.FloatField(
        allow_null=True,
        help_text="Share of customers whose spend was within the interval; null without predicted spend.",
    )


class ValueSerializer(serializers.Serializer):
    """Predictions for the next 12 months; null if a value is unknown, for the reason given."""

    p_alive = serializers.FloatField(
        allow_null=True, min_value=0, max_value=1, help_text="Probability that the customer is still active."
    )
    expected_orders = serializers.FloatField(allow_null=True, help_text="Expected number of days with an order.")
    expected_orders_low = serializers.IntegerField(
        allow_null=True, help_text="Lower bound of the 80% interval of days with an order."
    )
    expected_orders_high = serializers.IntegerField(allow_null=True, help_text="Its upper bound.")
    expected_order_value = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    value = serializers.DecimalField(
        max_digits=14, decimal_places=2, allow_null=True, help_text="Expected spend times the margin, discounted."
    )
    spend_low = serializers.DecimalField(
        max_digits=14, decimal_places=2, allow_null=True, help_text="Lower bound of the 80% interval of the spend."
    )
    spend_high = serializers.DecimalField(
        max_digits=14,
        decimal_places=2,
        allow_null=True,
        help_text="Upper bound of the 80% interval of the spend; both bounds are included.",
    )
    interval_probability = serializers.FloatField(
        allow_null=True,
        help_text="Probability that the spend is within its 80% interval: 0.8, or more for a customer who probably buys nothing, whose "
        "interval is 0 to 0. interval_held.spend is the share of customers whose spend such intervals contained.",
    )
    interval_held = HeldIntervalsSerializer(
        allow_null=True,
        help_text="How often intervals contained the actual values; null if the history is too short to test.",
    )
    reason = serializers.CharField(
        allow_blank=True, help_text=f"Why numbers are missing: {', '.join(REASON_NAMES)}; empty if none are."
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")
    algorithm = serializers.CharField(allow_blank=True, help_text="The purchase model: bg_nbd, mbg_nbd or pareto_nbd.")


class NextOrderSerializer(serializers.Serializer):
    earliest = serializers.DateField(
        allow_null=True, help_text="Start of the 50% interval of the next order, if there is one."
    )
    likeliest = serializers.DateField(allow_null=True)
    latest = serializers.DateField(allow_null=True)
    conditional = serializers.BooleanField(
        help_text="Whether the customer might not order again (dormant, churned or a churn risk of at least 50%); the date then only shows "
        "when an order would be expected.",
    )
    reason = serializers.ChoiceField(
        choices=[*NextOrderReason.choices, (NOT_YET, REASON_NAMES[NOT_YET]), *WithheldReason.choices],
        allow_blank=True,
        help_text="Why there is no date.",
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")


class PropensityReasonSerializer(serializers.Serializer):
    feature = serializers.CharField(help_text="Feature of the model, such as recency_days.")
    family = serializers.CharField(help_text="Group of the feature, in the language of Accept-Language.")
    text = serializers.CharField(help_text="The feature with the customer's value, in the language of Accept-Language.")
    direction = serializers.ChoiceField(choices=["raises", "lowers"], help_text="Effect on the probability.")


class PropensityLevelSerializer(serializers.Serializer):
    """How reliable the level of a probability is, by earlier predictions of the same kind."""

    adjustment = serializers.ChoiceField(
        choices=ADJUSTMENTS,
        help_text="How the level is adjusted: none; shift, platt or isotonic (recalibrated on earlier predictions); season (the error at "
        "the same time a year before). An adjustment is used only if it was more accurate than none at later times.",
    )
    known = serializers.BooleanField(help_text="Whether the level of earlier predictions was reliable.")
    reason = serializers.ChoiceField(
        choices=[reason for reason in LEVEL_REASONS if reason],
        allow_blank=True,
        help_text="Why the level is not known: few_periods or levels_differ; empty if it is.",
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")
    low = serializers.FloatField(
        allow_null=True, min_value=0, max_value=1, help_text="Lowest actual rate at the earlier times."
    )
    high = serializers.FloatField(
        allow_null=True, min_value=0, max_value=1, help_text="Highest actual rate at the earlier times."
    )
    cutoffs = serializers.IntegerField(
        min_value=0, help_text="Number of earlier times at which predictions were compared with the actual rate."
    )


class PropensitySerializer(serializers.Serializer):
    """Probability of a purchase within the horizon; for churn, of no order within it."""

    key = serializers.CharField(help_text="churn, purchase_7, purchase_30 or purchase_90.")
    name = serializers.CharField(help_text="In the language requested by Accept-Language.")
    probability = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    low = serializers.FloatField(
        allow_null=True,
        min_value=0,
        max_value=1,
        help_text="Lower end of the 80% interval, which follows from the differences between predicted and actual rates on earlier dates.",
    )
    high = serializers.FloatField(allow_null=True, min_value=0, max_value=1, help_text="Upper end of the 80% interval.")
    level = PropensityLevelSerializer(allow_null=True)
    horizon_days = serializers.IntegerField(allow_null=True)
    reasons = PropensityReasonSerializer(many=True, help_text="At most three, strongest effect first.")
    fallback = serializers.BooleanField(
        help_text="Whether the purchase model is used as a fallback, for the reason given."
    )
    reason = serializers.CharField(
        allow_blank=True, help_text=f"Why no model could be trained: {', '.join(REASON_NAMES)}; empty if one was."
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")
    algorithm = serializers.CharField(
        allow_blank=True,
        help_text="The model in use: rate, recency, purchase_model, tree, logistic, boosting, forest or ensemble.",
    )
    trained_at = serializers.DateTimeField(allow_null=True)


class NextCategorySerializer(serializers.Serializer):
    name = serializers.CharField(allow_blank=True, help_text="Top-level category.")
    probability = serializers.FloatField(
        allow_null=True,
        min_value=0,
        max_value=1,
        help_text="Probability that the next order is from this category, if there is one.",
    )
    reason = serializers.CharField(allow_blank=True, help_text="Why there is no prediction.")
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")


class ClusterSerializer(serializers.Serializer):
    number = serializers.IntegerField(help_text="Stable across refreshes as long as the cluster is found again.")
    name = serializers.CharField(help_text="Distinctive features, in the language of Accept-Language.")


def make_counter_fields() -> dict[str, serializers.Field]:
    """Return a field for each counter of the profile, of the type of its column."""
    fields: dict[str, serializers.Field] = {}
    for column in PROFILE_COLUMNS:
        if not column.is_counter:
            continue
        options: dict[str, Any] = {"allow_null": True} if column.field.null else {}
        if column.field.help_text:
            options["help_text"] = str(column.field.help_text)
        match column.field:
            case models.DecimalField() as field:
                options |= {"max_digits": field.max_digits, "decimal_places": field.decimal_places}
                fields[column.name] = serializers.DecimalField(**options)
            case models.FloatField():
                fields[column.name] = serializers.FloatField(**options)
            case models.DateTimeField():
                fields[column.name] = serializers.DateTimeField(**options)
            case _:
                fields[column.name] = serializers.IntegerField(**options)
    return fields


class CountersSerializer(serializers.Serializer):
    """The counters that `refresh.columns.PROFILE_COLUMNS` declares."""

    def get_fields(self) -> dict[str, serializers.Field]:
        return make_counter_fields()


class InterestSerializer(serializers.Serializer):
    name = serializers.CharField()
    share = serializers.FloatField(help_text="Share of order lines.")


class HourSerializer(serializers.Serializer):
    name = serializers.IntegerField(min_value=0, max_value=23, help_text="Hour of the day in the shop's time zone.")
    share = serializers.FloatField(help_text="Share of orders.")


class InterestsSerializer(serializers.Serializer):
    categories = InterestSerializer(many=True)
    brands = InterestSerializer(many=True)
    hours = HourSerializer(many=True)


class PortraitLineSerializer(serializers.Serializer):
    """One line of the portrait, with its source, age and number of facts."""

    key = serializers.CharField()
    group = serializers.ChoiceField(choices=PortraitGroup.choices)
    group_name = serializers.CharField(source="group.label", help_text="In the language requested by Accept-Language.")
    name = serializers.CharField(help_text="In the language requested by Accept-Language.")
    format = serializers.ChoiceField(
        choices=ValueFormat.choices,
        help_text="Format of the value: " + "; ".join(f"{fmt.value}: {fmt.label}" for fmt in ValueFormat) + ".",
    )
    value = serializers.JSONField(
        allow_null=True, help_text="Plain data in the given format; null if `missing` gives the reason."
    )
    text = serializers.CharField(help_text="The value, or why there is none, in the language of Accept-Language.")
    source = serializers.ChoiceField(choices=FactSource.choices)  # type: ignore[assignment]
    source_name = serializers.CharField(help_text="In the language requested by Accept-Language.")
    reported_by = serializers.CharField(
        allow_blank=True, help_text="Key of the event source that reported it; empty if unknown."
    )
    as_of = serializers.DateTimeField(
        allow_null=True, help_text="Time of the latest fact or trait update; null if unknown."
    )
    age_days = serializers.IntegerField(allow_null=True, min_value=0)
    age = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")
    facts = serializers.IntegerField(min_value=0)
    missing = serializers.ChoiceField(
        choices=MissingReason.choices, allow_blank=True, help_text="Why there is no value."
    )


class ProfileSerializer(serializers.Serializer):
    user_id = MaskedIdField()
    computed_at = serializers.DateTimeField(allow_null=True)
    stage = StageSerializer()
    stage_guard = serializers.CharField(
        allow_blank=True,
        help_text="Why predictions keep the customer from being dormant or churned; empty if they do not.",
    )
    orders_missing_since = serializers.DateTimeField(
        allow_null=True,
        help_text="Since when orders of the whole shop have been overdue, so that the passing of time changes no stage; null if they are not.",
    )
    differences = serializers.ListField(
        child=serializers.CharField(),
        help_text="Why stage, predictions and RFM group seem to contradict each other where they measure different things, in the language "
        "of Accept-Language; empty if they do not.",
    )
    rfm = RfmSerializer(allow_null=True)
    rfm_window = WindowRfmSerializer()
    value = ValueSerializer()
    next_order = NextOrderSerializer()
    propensities = PropensitySerializer(many=True, help_text="Empty after a withdrawn consent.")
    next_category = NextCategorySerializer()
    cluster = ClusterSerializer(allow_null=True)
    currency = serializers.CharField(
        help_text="The currency of all amounts; orders in other currencies add nothing to them."
    )
    counters = CountersSerializer()
    discount_share = serializers.FloatField(
        allow_null=True, help_text="Discounts as a share of the undiscounted order total."
    )
    interests = InterestsSerializer()
    portrait = PortraitLineSerializer(many=True)
    portrait_as_of = serializers.DateTimeField(help_text="The portrait uses only facts before this time.")
    portrait_withheld = serializers.ChoiceField(
        choices=WithheldReason.choices,
        allow_blank=True,
        help_text="Why data derived from behavior is withheld; empty if it is not.",
    )
    portrait_withheld_name = serializers.CharField(
        allow_blank=True, help_text="In the language requested by Accept-Language."
    )


class StageHistoryQuerySerializer(KnownFieldsMixin, serializers.Serializer):
    limit = serializers.IntegerField(required=False, default=100, min_value=1, max_value=1000)


class StageChangeSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    from_stage = serializers.ChoiceField(
        choices=Stage.choices, allow_blank=True, help_text="Empty if the customer was not known before."
    )
    from_name = serializers.CharField(allow_blank=True)
    to_stage = serializers.ChoiceField(choices=Stage.choices)
    to_name = serializers.CharField(help_text="In the language requested by Accept-Language.")
    reason = serializers.ChoiceField(choices=StageTransition.Reason.choices)
    reason_name = serializers.CharField(help_text="In the language requested by Accept-Language.")
    rules_version = serializers.IntegerField()


class StageHistorySerializer(serializers.Serializer):
    user_id = MaskedIdField()
    stages = StageChangeSerializer(many=True)


class SummaryQuerySerializer(KnownFieldsMixin, serializers.Serializer):
    since = serializers.DateTimeField(
        required=False, help_text="Start of the period; default: four weeks before until."
    )
    until = serializers.DateTimeField(required=False, help_text="End of the period; default: now.")

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        for name, moment in values.items():
            self._require_supported_year(name, moment)
        return values

    def _require_supported_year(self, name: str, moment: datetime) -> None:
        """Require a year whose neighboring months exist in every time zone."""
        if not MINYEAR + 1 < moment.year < MAXYEAR - 1:
            raise serializers.ValidationError({name: _("Enter a year between 3 and 9997.")})


class StageCountSerializer(serializers.Serializer):
    key = serializers.ChoiceField(choices=Stage.choices)
    name = serializers.CharField(help_text="In the language requested by Accept-Language.")
    before = serializers.IntegerField(help_text="Customers at the start.")
    after = serializers.IntegerField(help_text="Customers at the end.")


class StageFlowSerializer(serializers.Serializer):
    from_stage = serializers.ChoiceField(
        choices=Stage.choices, allow_blank=True, help_text="Empty if the customer was not known before."
    )
    to_stage = serializers.ChoiceField(choices=Stage.choices)
    customers = serializers.IntegerField()


class TotalValueSerializer(serializers.Serializer):
    """Total predicted value of the next 12 months."""

    customers = serializers.IntegerField(help_text="Customers with a predicted value.")
    total = serializers.DecimalField(max_digits=20, decimal_places=2)
    algorithm = serializers.CharField(allow_blank=True)
    reason = serializers.ChoiceField(
        choices=ScoreModel.Reason.choices, allow_blank=True, help_text="Why there is no prediction."
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language requested by Accept-Language.")


class RfmGroupCountSerializer(serializers.Serializer):
    key = serializers.ChoiceField(choices=RfmGroup.choices)
    name = serializers.CharField(help_text="In the language requested by Accept-Language.")
    customers = serializers.IntegerField()
    revenue = serializers.DecimalField(max_digits=20, decimal_places=2)


class RfmGroupsSerializer(serializers.Serializer):
    """RFM groups as of the latest refresh."""

    all = RfmGroupCountSerializer(many=True)
    window = RfmGroupCountSerializer(many=True, help_text="Groups by the orders in the window.")
    window_days = serializers.IntegerField(allow_null=True, help_text="Length of the window in days.")


class SummarySerializer(serializers.Serializer):
    as_of = serializers.DateTimeField(allow_null=True, help_text="Time of the latest refresh.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    stages = StageCountSerializer(many=True)
    transitions = StageFlowSerializer(many=True, help_text="Only customers who changed stage.")
    rfm = RfmGroupsSerializer()
    value = TotalValueSerializer()
