"""Serializers of segments, members and previews."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.strict_types import StrictTypesMixin
from customers.identity.models import Customer
from customers.identity.rest.masked_fields import MASKED_ID_HELP, MaskedIdField
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.editing import RESERVED_KEYS, check_condition
from customers.segments.models import Segment, SegmentDay, SegmentStay
from customers.segments.rest.condition_schema import ConditionFieldExtension  # noqa: F401 — registers itself


def build_condition_errors(error: ConditionError) -> dict[str, list[str]]:
    """Return the problems by field, such as ``condition.all[1].value``."""
    errors: dict[str, list[serializers.ErrorDetail]] = {}
    for problem in error.problems:
        field = f"condition{problem.path.removeprefix('$')}"
        errors.setdefault(field, []).append(serializers.ErrorDetail(problem.message, code=problem.code))
    return errors  # type: ignore[return-value]


class ConditionTreeField(serializers.JSONField):
    """A condition tree."""


class SegmentSerializer(StrictTypesMixin, serializers.ModelSerializer[Segment]):
    condition = ConditionTreeField(
        required=False, help_text=_("A tree of all, any, not and comparisons; see GET /segments/fields/.")
    )
    user_ids = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        write_only=True,
        max_length=100_000,
        help_text=_("For a static segment: the complete list of its members."),
    )

    request_schema: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {
                "title": "A dynamic segment",
                "required": ["condition"],
                "properties": {"kind": {"type": "string", "enum": [Segment.Kind.DYNAMIC.value]}},
                "not": {"required": ["user_ids"]},
            },
            {
                "title": "A static segment",
                "required": ["kind"],
                "properties": {"kind": {"type": "string", "enum": [Segment.Kind.STATIC.value]}},
                "not": {"required": ["condition"]},
            },
        ]
    }

    class Meta:
        model = Segment
        fields = [
            "key",
            "name",
            "description",
            "kind",
            "condition",
            "user_ids",
            "created_at",
            "size",
            "last_evaluated_at",
            "duration_ms",
            "error",
        ]
        read_only_fields = ["created_at", "size", "last_evaluated_at", "duration_ms", "error"]
        extra_kwargs: ClassVar[dict[str, Any]] = {"description": {"max_length": 10_000}}

    def update(self, instance: Segment, validated_data: dict[str, Any]) -> Segment:
        """Save only the fields that were sent: the nightly count writes the size and the tracked condition at the same time."""
        for name, value in validated_data.items():
            setattr(instance, name, value)
        if validated_data:
            instance.save(update_fields=list(validated_data))
        return instance

    def validate_key(self, key: str) -> str:
        if key in RESERVED_KEYS:
            raise serializers.ValidationError(_("This key is reserved by the REST API."))
        if self.instance and key != self.instance.key:
            raise serializers.ValidationError(
                _("The key cannot be changed: other segments and campaigns refer to it."), code="immutable"
            )
        return key

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind = attrs.get("kind", self.instance.kind if self.instance else Segment.Kind.DYNAMIC)
        if self.instance and kind != self.instance.kind:
            raise serializers.ValidationError({"kind": _("The type of a segment cannot be changed.")}, code="immutable")
        if kind == Segment.Kind.STATIC:
            return self.validate_static(attrs)
        if "user_ids" in attrs:
            raise serializers.ValidationError(
                {"user_ids": _("Only a static segment accepts user_ids.")}, code="other_type"
            )
        if "condition" not in attrs:
            if not self.partial:
                raise serializers.ValidationError({"condition": _("A dynamic segment requires a condition.")})
            return attrs
        key = attrs.get("key", self.instance.key if self.instance else "")
        try:
            check_condition(condition=attrs["condition"], key=key, as_of=timezone.now())
        except ConditionError as error:
            raise serializers.ValidationError(build_condition_errors(error)) from error
        return attrs

    def validate_static(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("condition"):
            raise serializers.ValidationError(
                {"condition": _("A static segment has no condition; use user_ids.")}, code="other_type"
            )
        return attrs


class ListResultSerializer(serializers.Serializer[Any]):
    added = serializers.IntegerField()
    already_members = serializers.IntegerField()
    unknown = serializers.ListField(child=serializers.CharField(), help_text=_("Unknown user IDs."))


class SavedSegmentSerializer(SegmentSerializer):
    list_result = ListResultSerializer(
        read_only=True, allow_null=True, default=None, help_text=_("Result for user_ids, if sent.")
    )

    class Meta(SegmentSerializer.Meta):
        fields = [*SegmentSerializer.Meta.fields, "list_result"]


class MemberSerializer(serializers.Serializer[Customer]):
    """A member with a summary of the profile, without personal data."""

    customer_id = serializers.IntegerField(source="pk")
    user_id = MaskedIdField(
        allow_null=True, help_text=format_lazy("{} {}", _("Null for a visitor without a user ID."), MASKED_ID_HELP)
    )
    stage = serializers.CharField(source="profile.stage", default=None, allow_null=True)
    rfm_group = serializers.CharField(source="profile.rfm_group", default=None, allow_null=True)
    r = serializers.IntegerField(source="profile.r", default=None, allow_null=True)
    f = serializers.IntegerField(source="profile.f", default=None, allow_null=True)
    m = serializers.IntegerField(source="profile.m", default=None, allow_null=True)
    orders = serializers.IntegerField(source="profile.orders", default=None, allow_null=True)
    revenue = serializers.DecimalField(
        source="profile.revenue", max_digits=14, decimal_places=2, default=None, allow_null=True
    )
    last_order_at = serializers.DateTimeField(source="profile.last_order_at", default=None, allow_null=True)


class PreviewRequestSerializer(StrictTypesMixin, serializers.Serializer[Any]):
    condition = ConditionTreeField()
    key = serializers.SlugField(
        required=False,
        default="",
        max_length=100,
        help_text=_("The segment that the condition is for; used to detect cyclic references."),
    )
    sample = serializers.IntegerField(default=10, min_value=0, max_value=100)


class PreviewSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    as_of = serializers.DateTimeField()
    duration_ms = serializers.FloatField()
    sample = MemberSerializer(many=True)


class SegmentNameSerializer(serializers.ModelSerializer[Segment]):
    class Meta:
        model = Segment
        fields = ["key", "name", "kind"]


class ConditionResultSerializer(serializers.Serializer[Any]):
    """A part of a condition, and what the customer has; the parts of a group follow it."""

    path = serializers.CharField(help_text=_("Path of the part within the condition, such as $.all[1]."))
    condition = serializers.CharField(source="text", help_text=_("In the language requested by Accept-Language."))
    met = serializers.BooleanField(source="is_met")
    value = serializers.CharField(
        help_text=_(
            "The customer's actual value, in words; empty for a group. Personal traits are shown as ••• without the scope customers:personal."
        )
    )


class ExplainQuerySerializer(KnownFieldsMixin, serializers.Serializer[Any]):
    explain = serializers.BooleanField(default=False, help_text=_("Also return why the customer is in each segment."))


class CustomerSegmentSerializer(SegmentNameSerializer):
    because = ConditionResultSerializer(many=True, required=False, help_text=_("Only with explain=true."))

    class Meta(SegmentNameSerializer.Meta):
        fields = [*SegmentNameSerializer.Meta.fields, "because"]


class MembershipSerializer(serializers.Serializer[Any]):
    user_id = MaskedIdField()
    as_of = serializers.DateTimeField()
    segments = CustomerSegmentSerializer(many=True)


class MembershipExplanationSerializer(serializers.Serializer[Any]):
    """Whether a customer is in one segment, and why."""

    user_id = MaskedIdField()
    as_of = serializers.DateTimeField()
    key = serializers.CharField(source="explanation.segment.key")
    name = serializers.CharField(source="explanation.segment.name")
    is_member = serializers.BooleanField(source="explanation.is_member")
    because = ConditionResultSerializer(many=True)
    problem = serializers.CharField(
        source="explanation.problem",
        help_text=_("Why the segment cannot be evaluated, such as a condition that is not valid; usually empty."),
    )


class OverlapQuerySerializer(KnownFieldsMixin, serializers.Serializer[Any]):
    other = serializers.SlugField(max_length=100, help_text="The key of the segment to compare with.")


class HistoryQuerySerializer(KnownFieldsMixin, serializers.Serializer[Any]):
    since = serializers.DateField(required=False, help_text=_("The first day; by default 90 days ago."))
    until = serializers.DateField(required=False, help_text=_("The last day; by default today."))


class SegmentDaySerializer(serializers.ModelSerializer[SegmentDay]):
    class Meta:
        model = SegmentDay
        fields = ["day", "size", "entered", "left"]


class SegmentHistorySerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    since = serializers.DateField()
    until = serializers.DateField()
    days = SegmentDaySerializer(many=True, help_text=_("The days on which the segment was evaluated."))


class StaySerializer(serializers.ModelSerializer[SegmentStay]):
    """A customer who entered or left a segment while it was evaluated."""

    user_id = MaskedIdField(
        allow_null=True, help_text=format_lazy("{} {}", _("Null for a visitor without a user ID."), MASKED_ID_HELP)
    )

    class Meta:
        model = SegmentStay
        fields = ["customer_id", "user_id", "entered_at", "left_at"]


class OverlapSerializer(serializers.Serializer[Any]):
    size = serializers.IntegerField(help_text=_("Customers in the segment."))
    other_size = serializers.IntegerField(help_text=_("Customers in the other segment."))
    both = serializers.IntegerField(help_text=_("Customers in both."))
    share = serializers.FloatField(allow_null=True, help_text=_("Customers in both ÷ customers in the segment."))
    other_share = serializers.FloatField(
        allow_null=True, help_text=_("Customers in both ÷ customers in the other segment.")
    )
    as_of = serializers.DateTimeField()


class OperatorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    takes = serializers.CharField(help_text=_("Type of the value: one, many, range, days or nothing."))


class FieldChoiceSerializer(serializers.Serializer[Any]):
    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class ConditionFieldSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    group = serializers.CharField()
    kind = serializers.CharField()
    help = serializers.CharField()
    about = serializers.CharField(
        help_text=_(
            "For events: what the event is about (any, product, category or brand). With any, the event has no value."
        )
    )
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    operators = OperatorSerializer(many=True)
    choices = FieldChoiceSerializer(many=True)
