"""Profiles, stage histories and the state of all customers as JSON."""

from datetime import MAXYEAR, MINYEAR, datetime
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from customers.lifecycle.models import NextOrderReason, RfmGroup, ScoreModel, Stage, StageTransition
from customers.lifecycle.portrait.customer_profile import REASON_NAMES, RFM_REASON_NAMES
from customers.lifecycle.portrait.line import Form, Gap, Group, Origin
from customers.lifecycle.portrait.portrait import LeftOut


class StageSerializer(serializers.Serializer):
    key = serializers.ChoiceField(choices=Stage.choices)
    name = serializers.CharField(help_text="In the language of Accept-Language.")
    since = serializers.DateTimeField(allow_null=True)
    reason = serializers.ChoiceField(choices=StageTransition.Reason.choices, allow_blank=True)
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")
    came_from = serializers.ChoiceField(choices=Stage.choices, allow_blank=True)
    next_change_at = serializers.DateTimeField(
        allow_null=True, help_text="When the passing of time alone changes the stage."
    )
    rules_version = serializers.IntegerField(allow_null=True)


class RfmSerializer(serializers.Serializer):
    r = serializers.IntegerField(min_value=1, max_value=5, help_text="Recency; 5 is the best.")
    f = serializers.IntegerField(min_value=1, max_value=5, help_text="Frequency; 5 is the best.")
    m = serializers.IntegerField(min_value=1, max_value=5, help_text="Monetary value; 5 is the best.")
    group = serializers.ChoiceField(choices=RfmGroup.choices)
    group_name = serializers.CharField(help_text="In the language of Accept-Language.")


class WindowRfmSerializer(serializers.Serializer):
    """By the orders of the last days before the refresh; null where there was none, for the reason given."""

    days = serializers.IntegerField(allow_null=True, help_text="How long the window is.")
    r = serializers.IntegerField(min_value=1, max_value=5, allow_null=True, help_text="Recency; 5 is the best.")
    f = serializers.IntegerField(min_value=1, max_value=5, allow_null=True, help_text="Frequency; 5 is the best.")
    m = serializers.IntegerField(min_value=1, max_value=5, allow_null=True, help_text="Monetary value; 5 is the best.")
    group = serializers.ChoiceField(choices=RfmGroup.choices, allow_blank=True)
    group_name = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")
    orders = serializers.IntegerField(help_text="In the window.")
    revenue = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="In the window.")
    reason = serializers.CharField(
        allow_blank=True, help_text=f"Why there is none: {', '.join(RFM_REASON_NAMES)}; empty where there is."
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")


class ValueSerializer(serializers.Serializer):
    """Of the coming twelve months; null where a number cannot be had, for the reason given."""

    p_alive = serializers.FloatField(
        allow_null=True, min_value=0, max_value=1, help_text="Probability to be still a customer."
    )
    expected_orders = serializers.FloatField(allow_null=True, help_text="Days with an order.")
    expected_orders_low = serializers.IntegerField(allow_null=True)
    expected_orders_high = serializers.IntegerField(allow_null=True)
    expected_order_value = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    value = serializers.DecimalField(
        max_digits=14, decimal_places=2, allow_null=True, help_text="Times the margin, discounted."
    )
    spend_low = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    spend_high = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    interval_probability = serializers.FloatField(
        allow_null=True, help_text="That the spend is between low and high, both included."
    )
    reason = serializers.CharField(
        allow_blank=True, help_text=f"Why numbers are missing: {', '.join(REASON_NAMES)}; empty where none is."
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")
    algorithm = serializers.CharField(allow_blank=True, help_text="The buying process: bg_nbd, mbg_nbd or pareto_nbd.")


class NextOrderSerializer(serializers.Serializer):
    earliest = serializers.DateField(
        allow_null=True, help_text="Half of all next orders come between earliest and latest, if another comes."
    )
    likeliest = serializers.DateField(allow_null=True)
    latest = serializers.DateField(allow_null=True)
    reason = serializers.ChoiceField(
        choices=[*NextOrderReason.choices, *LeftOut.choices], allow_blank=True, help_text="Why no day is given."
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")


class PropensityReasonSerializer(serializers.Serializer):
    feature = serializers.CharField(help_text="What it is told from, such as recency_days.")
    family = serializers.CharField(help_text="What it speaks about, in the language of Accept-Language.")
    text = serializers.CharField(help_text="With the customer's value, in the language of Accept-Language.")
    direction = serializers.ChoiceField(choices=["raises", "lowers"], help_text="What it does to the probability.")


class PropensitySerializer(serializers.Serializer):
    """How likely something is within the days of the horizon; for churn, that no order comes in them."""

    key = serializers.CharField(help_text="churn, purchase_7, purchase_30 or purchase_90.")
    name = serializers.CharField(help_text="In the language of Accept-Language.")
    probability = serializers.FloatField(allow_null=True, min_value=0, max_value=1)
    horizon_days = serializers.IntegerField(allow_null=True)
    reasons = PropensityReasonSerializer(many=True, help_text="At most three, what moves this probability most first.")
    fallback = serializers.BooleanField(help_text="Whether the buying process alone says it, for the reason given.")
    reason = serializers.CharField(
        allow_blank=True, help_text=f"Why nothing could be learnt: {', '.join(REASON_NAMES)}; empty where it could."
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")
    algorithm = serializers.CharField(
        allow_blank=True,
        help_text="The candidate that serves: rate, recency, buying, tree, logistic, boosting, forest or blend.",
    )
    learnt_at = serializers.DateTimeField(allow_null=True)


class NextCategorySerializer(serializers.Serializer):
    name = serializers.CharField(allow_blank=True, help_text="A top category.")
    probability = serializers.FloatField(
        allow_null=True, min_value=0, max_value=1, help_text="That the next order is of it, if another comes."
    )
    reason = serializers.CharField(allow_blank=True, help_text="Why there is none.")
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")


class ClusterSerializer(serializers.Serializer):
    number = serializers.IntegerField(
        help_text="Stays the same from refresh to refresh while the cluster is found again."
    )
    name = serializers.CharField(help_text="What stands out about it, in the language of Accept-Language.")


class CountersSerializer(serializers.Serializer):
    orders = serializers.IntegerField()
    returns = serializers.IntegerField()
    units = serializers.DecimalField(max_digits=14, decimal_places=3)
    revenue = serializers.DecimalField(max_digits=14, decimal_places=2, help_text="Sales less returns and refunds.")
    discounts = serializers.DecimalField(max_digits=14, decimal_places=2)
    average_order_value = serializers.DecimalField(max_digits=14, decimal_places=2, allow_null=True)
    average_gap_days = serializers.FloatField(allow_null=True)
    first_order_at = serializers.DateTimeField(allow_null=True)
    last_order_at = serializers.DateTimeField(allow_null=True)
    events = serializers.IntegerField()
    sessions = serializers.IntegerField()
    last_event_at = serializers.DateTimeField(allow_null=True)


class InterestSerializer(serializers.Serializer):
    name = serializers.CharField()
    share = serializers.FloatField(help_text="Of the order lines.")


class HourSerializer(serializers.Serializer):
    name = serializers.IntegerField(min_value=0, max_value=23, help_text="Hour of the day in the shop's time zone.")
    share = serializers.FloatField(help_text="Of the orders.")


class InterestsSerializer(serializers.Serializer):
    categories = InterestSerializer(many=True)
    brands = InterestSerializer(many=True)
    hours = HourSerializer(many=True)


class PortraitLineSerializer(serializers.Serializer):
    """One thing known of a customer, where from, how old it is and on how many facts it rests."""

    key = serializers.CharField()
    group = serializers.ChoiceField(choices=Group.choices)
    group_name = serializers.CharField(source="group.label", help_text="In the language of Accept-Language.")
    name = serializers.CharField(help_text="In the language of Accept-Language.")
    form = serializers.ChoiceField(
        choices=Form.choices,
        help_text="How to read the value: " + "; ".join(f"{form.value}: {form.label}" for form in Form) + ".",
    )
    value = serializers.JSONField(allow_null=True, help_text="Plain, as the form says; null where gap says why.")
    words = serializers.CharField(help_text="The value, or why there is none, in the language of Accept-Language.")
    source = serializers.ChoiceField(choices=Origin.choices, source="origin")  # type: ignore[assignment]
    source_name = serializers.CharField(source="origin_name", help_text="In the language of Accept-Language.")
    told_by = serializers.CharField(
        allow_blank=True, help_text="Key of the event source that told it; empty where that is not kept."
    )
    as_of = serializers.DateTimeField(
        allow_null=True, help_text="When the newest fact happened or the trait was told; null where that is not kept."
    )
    age_days = serializers.IntegerField(allow_null=True, min_value=0)
    age = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")
    facts = serializers.IntegerField(min_value=0)
    gap = serializers.ChoiceField(choices=Gap.choices, allow_blank=True, help_text="Why there is no value.")


class ProfileSerializer(serializers.Serializer):
    user_id = serializers.CharField()
    computed_at = serializers.DateTimeField(allow_null=True)
    stage = StageSerializer()
    rfm = RfmSerializer(allow_null=True)
    rfm_window = WindowRfmSerializer()
    value = ValueSerializer()
    next_order = NextOrderSerializer()
    propensities = PropensitySerializer(many=True, help_text="Empty after a withdrawn consent.")
    next_category = NextCategorySerializer()
    cluster = ClusterSerializer(allow_null=True)
    counters = CountersSerializer()
    discount_share = serializers.FloatField(allow_null=True, help_text="Of what the orders would have cost without.")
    interests = InterestsSerializer()
    portrait = PortraitLineSerializer(many=True)
    portrait_as_of = serializers.DateTimeField(help_text="Only what happened before it is told.")
    portrait_left_out = serializers.ChoiceField(
        choices=LeftOut.choices, allow_blank=True, help_text="Why nothing is told that follows from behaviour."
    )
    portrait_left_out_name = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")


class StageHistoryQuerySerializer(serializers.Serializer):
    limit = serializers.IntegerField(required=False, default=100, min_value=1, max_value=1000)


class MoveSerializer(serializers.Serializer):
    at = serializers.DateTimeField()
    from_stage = serializers.ChoiceField(choices=Stage.choices, allow_blank=True, help_text="Empty: not known before.")
    from_name = serializers.CharField(allow_blank=True)
    to_stage = serializers.ChoiceField(choices=Stage.choices)
    to_name = serializers.CharField(help_text="In the language of Accept-Language.")
    reason = serializers.ChoiceField(choices=StageTransition.Reason.choices)
    reason_name = serializers.CharField(help_text="In the language of Accept-Language.")
    rules_version = serializers.IntegerField()


class StageHistorySerializer(serializers.Serializer):
    user_id = serializers.CharField()
    stages = MoveSerializer(many=True)


class SummaryQuerySerializer(serializers.Serializer):
    since = serializers.DateTimeField(required=False, help_text="The moves from here on; four weeks before until.")
    until = serializers.DateTimeField(required=False, help_text="The moves before this; now.")

    def validate(self, told: dict[str, Any]) -> dict[str, Any]:
        for name, moment in told.items():
            self._require_usual(name, moment)
        return told

    def _require_usual(self, name: str, moment: datetime) -> None:
        """A month before or after must exist, and in every time zone."""
        if not MINYEAR + 1 < moment.year < MAXYEAR - 1:
            raise serializers.ValidationError({name: _("Give a year between 3 and 9997.")})


class StageCountSerializer(serializers.Serializer):
    key = serializers.ChoiceField(choices=Stage.choices)
    name = serializers.CharField(help_text="In the language of Accept-Language.")
    before = serializers.IntegerField(help_text="Customers at since.")
    after = serializers.IntegerField(help_text="Customers at until.")


class MovementSerializer(serializers.Serializer):
    from_stage = serializers.ChoiceField(choices=Stage.choices, allow_blank=True, help_text="Empty: not known before.")
    to_stage = serializers.ChoiceField(choices=Stage.choices)
    customers = serializers.IntegerField()


class TotalValueSerializer(serializers.Serializer):
    """Of the coming twelve months."""

    customers = serializers.IntegerField(help_text="Who have a value.")
    total = serializers.DecimalField(max_digits=20, decimal_places=2)
    algorithm = serializers.CharField(allow_blank=True)
    reason = serializers.ChoiceField(
        choices=ScoreModel.Reason.choices, allow_blank=True, help_text="Why there is none."
    )
    reason_name = serializers.CharField(allow_blank=True, help_text="In the language of Accept-Language.")


class RfmGroupCountSerializer(serializers.Serializer):
    key = serializers.ChoiceField(choices=RfmGroup.choices)
    name = serializers.CharField(help_text="In the language of Accept-Language.")
    customers = serializers.IntegerField()
    revenue = serializers.DecimalField(max_digits=20, decimal_places=2)


class RfmGroupsSerializer(serializers.Serializer):
    """As of the newest refresh."""

    all = RfmGroupCountSerializer(many=True)
    window = RfmGroupCountSerializer(many=True, help_text="Of those who ordered in the window.")
    window_days = serializers.IntegerField(allow_null=True, help_text="How long the window is.")


class SummarySerializer(serializers.Serializer):
    as_of = serializers.DateTimeField(allow_null=True, help_text="Of the newest refresh.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    stages = StageCountSerializer(many=True)
    moves = MovementSerializer(many=True, help_text="Only those who stand elsewhere than before.")
    rfm = RfmGroupsSerializer()
    value = TotalValueSerializer()
