"""Serializers of the next best action."""

from rest_framework import serializers

from customers.identity.rest.masked_fields import MaskedIdField
from recommendations.uplift.kinds.registry import KINDS
from recommendations.uplift.models import NO_ACTION_KIND, MessageEffect


class ActionReasonSerializer(serializers.Serializer):
    code = serializers.CharField()
    text = serializers.CharField(help_text="In the language requested by Accept-Language.")


class ActionTargetSerializer(serializers.Serializer):
    id = serializers.IntegerField(allow_null=True, help_text="Null if it was deleted after the last refresh.")
    key = serializers.CharField()
    name = serializers.CharField()


class NextActionSerializer(serializers.Serializer):
    user_id = MaskedIdField()
    action = serializers.ChoiceField(
        choices=[*KINDS, NO_ACTION_KIND], allow_null=True, help_text="Null if there is not enough evidence."
    )
    target = ActionTargetSerializer(allow_null=True, help_text="The campaign, flow or offer; null for no action.")
    expected_margin = serializers.FloatField(
        allow_null=True,
        help_text="Incremental margin of the action, without the cost of the contact; if there is no action, that of the best possible one.",
    )
    low = serializers.FloatField(allow_null=True, help_text="End of the 95% interval.")
    high = serializers.FloatField(allow_null=True, help_text="End of the 95% interval.")
    currency = serializers.CharField(allow_blank=True)
    effect = serializers.FloatField(
        allow_null=True, help_text="Of a message on the probability of an order: 0.01 is one percentage point."
    )
    message_effect = serializers.ChoiceField(choices=MessageEffect.choices, allow_blank=True)
    is_explored = serializers.BooleanField(help_text="Chosen at random, so that later estimates stay unbiased.")
    reasons = ActionReasonSerializer(many=True)
    missing = serializers.CharField(allow_blank=True, help_text="What the evidence lacks.")
    computed_at = serializers.DateTimeField(allow_null=True)
