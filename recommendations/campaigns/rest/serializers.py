"""Serializers of campaigns."""

from decimal import Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin
from customers.identity.personal_data.masking import mask_id, may_see_personal
from customers.segments.models import Segment
from recommendations.campaigns.audience import AudiencePreview
from recommendations.campaigns.audience_hints import HintCode, find_hints
from recommendations.campaigns.launch.readiness import check_test_settings
from recommendations.campaigns.locked_fields import get_locked_fields, get_locked_message
from recommendations.campaigns.models import EXPORTED, EXPORTED_LABEL, Campaign, CampaignRun
from recommendations.measurement.result_serializers import (
    ComparisonSerializer,
    IntervalSerializer,
    RecommendedSalesSerializer,
)
from recommendations.messaging.models import MessageTemplate
from recommendations.sending.models import Delivery, SkipReason

SHOWN_STATUS = serializers.ChoiceField(choices=[*Campaign.Status.choices, (EXPORTED, EXPORTED_LABEL)], read_only=True)


@extend_schema_field({"type": "string", "maxLength": 8, "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"})
class TimeOfDayField(serializers.TimeField):
    """A time without a time zone, which the format "time" of OpenAPI would require."""


class CampaignSerializer(StrictTypesMixin, serializers.ModelSerializer[Campaign]):
    segment = serializers.SlugRelatedField(
        slug_field="key", queryset=Segment.objects.all(), help_text=_("The key of the segment.")
    )
    excluded_segments = serializers.SlugRelatedField(
        slug_field="key",
        queryset=Segment.objects.all(),
        many=True,
        required=False,
        help_text=_("Keys of segments whose customers do not get the message."),
    )
    template = serializers.SlugRelatedField(
        slug_field="key",
        queryset=MessageTemplate.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("The key of the message template; each run sends the version that is published when it starts."),
    )
    holdout_share = serializers.DecimalField(
        max_digits=5,
        decimal_places=4,
        min_value=Decimal(0),
        max_value=Decimal("0.9999"),
        default=Decimal("0.1"),
        help_text=_("0.1 puts one customer in ten in the holdout group."),
    )

    test_template = serializers.SlugRelatedField(
        slug_field="key",
        queryset=MessageTemplate.objects.all(),
        required=False,
        allow_null=True,
        help_text=_(
            "The key of message B of an A/B test: half of the test share gets it, half the message of the campaign (A), the rest the winner."
        ),
    )
    test_share = serializers.DecimalField(
        max_digits=5,
        decimal_places=4,
        min_value=Decimal("0.01"),
        max_value=Decimal("0.9"),
        default=Decimal("0.2"),
        help_text=_("0.2 sends message A to 10% and message B to 10% of the audience."),
    )
    send_time = TimeOfDayField(required=False, help_text=_("The time of day of recurring runs, such as 10:00:00."))
    status = serializers.SerializerMethodField(
        help_text=_("exported: another program sends the campaign, and its audience was downloaded at least once.")
    )

    class Meta:
        model = Campaign
        fields = [
            *("key", "name", "description", "channel", "segment", "excluded_segments", "template", "holdout_share"),
            *("required_consent", "is_transactional", "priority", "kind", "starts_at", "frequency", "weekdays"),
            *("month_day", "send_time", "uses_customer_time", "ends_on", "goal", "attribution_days", "status"),
            *("test_template", "test_share", "test_hours", "test_metric"),
            *("next_run_at", "problem", "created_at"),
        ]
        read_only_fields = ["next_run_at", "problem", "created_at"]
        extra_kwargs: ClassVar[dict[str, Any]] = {"description": {"max_length": 10_000}}

    @extend_schema_field(SHOWN_STATUS)
    def get_status(self, campaign: Campaign) -> str:
        return campaign.get_shown_status()

    def validate_key(self, key: str) -> str:
        if self.instance and key != self.instance.key:
            raise serializers.ValidationError(_("The key cannot be changed."), code="immutable")
        return key

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance:
            changed = [
                name
                for name in get_locked_fields(self.instance)
                if name in attrs and attrs[name] != get_current_value(self.instance, name)
            ]
            if changed:
                raise serializers.ValidationError(
                    {name: get_locked_message(self.instance) for name in changed}, code="immutable"
                )
        segment = attrs.get("segment") or (self.instance.segment if self.instance else None)
        if segment is not None and segment in attrs.get("excluded_segments", []):
            raise serializers.ValidationError(
                {"excluded_segments": _("The segment of the campaign cannot be excluded.")}
            )
        self.check_test(attrs)
        return attrs

    def check_test(self, attrs: dict[str, Any]) -> None:
        """Refuse a second message if the other settings do not allow a test."""
        values = {
            name: attrs.get(name, getattr(self.instance or Campaign(), name))
            for name in ("kind", "channel", "template", "test_template", "test_metric")
        }
        if problems := check_test_settings(**values):
            raise serializers.ValidationError({problem.field: problem.message for problem in problems})


def get_current_value(campaign: Campaign, name: str) -> Any:
    return list(campaign.excluded_segments.all()) if name == "excluded_segments" else getattr(campaign, name)


class AudienceHintSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=HintCode.choices)
    text = serializers.CharField(
        help_text=_("Why no customers are left, and what to do about it, in the language of the request.")
    )


class AudiencePreviewSerializer(serializers.Serializer[Any]):
    """The number of customers at each step: segment → included → reachable → consented → held out → audience."""

    as_of = serializers.DateTimeField()
    channel = serializers.CharField()
    consent = serializers.ListField(child=serializers.CharField(), help_text=_("Required consents."))
    segment = serializers.IntegerField()
    included = serializers.IntegerField(help_text=_("Customers of the segment who are in no excluded segment."))
    reachable = serializers.IntegerField()
    consented = serializers.IntegerField()
    suppressed = serializers.IntegerField(help_text=_("Consented customers whose address is on the suppression list."))
    capped = serializers.IntegerField(help_text=_("Customers who have currently reached a frequency cap."))
    global_holdout = serializers.IntegerField(help_text=_("Customers of the global holdout group."))
    held_out = serializers.IntegerField()
    audience = serializers.IntegerField()
    postponed = serializers.IntegerField(
        help_text=_("Customers in the audience who get the message after their quiet hours.")
    )
    already_due = serializers.IntegerField(
        help_text=_(
            "Customers in the audience whose local time of the first run has passed: a launch now sends them the message at once."
        )
    )
    holdout_share = serializers.FloatField()
    buyers = serializers.IntegerField(
        help_text=_("Reachable and consented customers who bought in the last rate_days days.")
    )
    rate = serializers.FloatField(allow_null=True)
    rate_days = serializers.IntegerField()
    alpha = serializers.FloatField()
    power = serializers.FloatField()
    mde = serializers.FloatField(allow_null=True, help_text=_("Minimum detectable difference of the conversion rate."))
    mde_missing = serializers.CharField(
        help_text=_("Why mde is null: no_audience, no_holdout, no_buyers, all_bought or too_small.")
    )
    hints = serializers.SerializerMethodField(help_text=_("What to do if nobody is left after a step."))

    @extend_schema_field(AudienceHintSerializer(many=True))
    def get_hints(self, preview: AudiencePreview) -> list[dict[str, str]]:
        return [{"code": hint.code.value, "text": hint.text} for hint in find_hints(preview)]


class MessageReactionsSerializer(serializers.Serializer[Any]):
    """Messages of an A/B test. reacted: customers who opened, clicked or ordered within the hours of the test after their message."""

    sent = serializers.IntegerField()
    reacted = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True)


class MessageTestSerializer(serializers.Serializer[Any]):
    """The A/B test of the messages. Only a and b are compared; rest: the customers who got the winner later."""

    metric = serializers.ChoiceField(choices=Campaign.TestMetric.choices)
    hours = serializers.IntegerField()
    a = MessageReactionsSerializer()
    b = MessageReactionsSerializer()
    rest = MessageReactionsSerializer()
    difference = IntervalSerializer(
        allow_null=True,
        help_text=_("The rate of B minus that of A, with its 95% interval; null until the test is decided."),
    )
    outcome = serializers.ChoiceField(
        choices=CampaignRun.TestOutcome.choices,
        allow_blank=True,
        help_text=_("Empty until the test is decided. With unclear and too_few, the rest gets message A."),
    )
    decided_at = serializers.DateTimeField(allow_null=True)


class CampaignRunSerializer(serializers.ModelSerializer[CampaignRun]):
    """A run: what was sent when, to which segment, with the customers at each step."""

    version = serializers.IntegerField(source="template_version.number", help_text=_("The version of the template."))

    class Meta:
        model = CampaignRun
        fields = [
            *("number", "status", "scheduled_for", "started_at", "finished_at", "version", "segment_key"),
            *("segment_condition", "exclusions", "holdout_share", "counts"),
        ]
        read_only_fields = fields


class DeliveryCountsSerializer(serializers.Serializer[Any]):
    """What happened to the messages.

    delivered: as reported, which mail servers do not do. opened: by people; machine_opened: by programs of mail providers, also if a person
    opened the message too.
    """

    total = serializers.IntegerField()
    sent = serializers.IntegerField()
    delivered = serializers.IntegerField()
    opened = serializers.IntegerField()
    machine_opened = serializers.IntegerField()
    clicked = serializers.IntegerField()
    unsubscribed = serializers.IntegerField()
    complained = serializers.IntegerField()
    by_status = serializers.DictField(child=serializers.IntegerField())
    by_skip_reason = serializers.DictField(child=serializers.IntegerField())


class CampaignResultsSerializer(ComparisonSerializer):
    """The result of all runs and exports, by intent to treat."""

    runs = serializers.IntegerField()
    currency = serializers.CharField()
    headline = serializers.CharField(
        help_text=_("What the campaign earned and how certain that is, in the language of the request.")
    )
    deliveries = DeliveryCountsSerializer()
    audience = serializers.DictField(child=serializers.IntegerField())
    recommended = RecommendedSalesSerializer()
    test = MessageTestSerializer(allow_null=True, help_text=_("Null for a campaign without an A/B test."))


class CampaignDeliverySerializer(serializers.ModelSerializer[Delivery]):
    """One message, or why a customer did not get it. A user ID that is an address is masked without `customers:personal`."""

    user_id = serializers.SerializerMethodField()
    run = serializers.SerializerMethodField()
    skip_reason = serializers.ChoiceField(choices=SkipReason.choices, allow_blank=True, read_only=True)

    class Meta:
        model = Delivery
        fields = [
            *("id", "run", "user_id", "status", "skip_reason", "due_at", "sent_at", "delivered_at", "opened_at"),
            *("machine_opened_at", "clicked_at", "bounced_at", "complained_at", "unsubscribed_at"),
        ]
        read_only_fields = fields

    def get_user_id(self, delivery: Any) -> str | None:
        user_id: str | None = delivery.user_id
        return user_id and mask_id(user_id, with_personal=may_see_personal(self.context["request"]))

    def get_run(self, delivery: Delivery) -> int:
        return int(self.context["view"].run_numbers[delivery.origin_id])
