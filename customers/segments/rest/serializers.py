"""Shapes of the segment endpoints."""

from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypes
from customers.identity.models import Customer
from customers.segments.conditions.parsing import ConditionError
from customers.segments.editing import RESERVED_KEYS, check_condition
from customers.segments.models import Segment
from customers.segments.rest.condition_schema import ConditionFieldExtension  # noqa: F401 — registers itself


def condition_errors(error: ConditionError) -> dict[str, list[str]]:
    """Problems by field, such as ``condition.all[1].value``."""
    errors: dict[str, list[serializers.ErrorDetail]] = {}
    for problem in error.problems:
        field = f"condition{problem.path.removeprefix('$')}"
        errors.setdefault(field, []).append(serializers.ErrorDetail(problem.message, code=problem.code))
    return errors  # type: ignore[return-value]


class ConditionField(serializers.JSONField):
    """A condition tree."""


class SegmentSerializer(StrictTypes, serializers.ModelSerializer[Segment]):
    condition = ConditionField(
        required=False, help_text=_("A tree of all, any, not and comparisons; see GET /segments/fields/.")
    )
    user_ids = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        write_only=True,
        max_length=100_000,
        help_text=_("For a fixed list: exactly who is on it."),
    )

    request_schema: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {
                "title": "A live segment",
                "required": ["condition"],
                "properties": {"kind": {"type": "string", "enum": [Segment.Kind.LIVE.value]}},
                "not": {"required": ["user_ids"]},
            },
            {
                "title": "A fixed list",
                "required": ["kind"],
                "properties": {"kind": {"type": "string", "enum": [Segment.Kind.FIXED.value]}},
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

    def validate_key(self, key: str) -> str:
        if key in RESERVED_KEYS:
            raise serializers.ValidationError(_("This key is taken by an address of the API."))
        if self.instance and key != self.instance.key:
            raise serializers.ValidationError(_("A key stays: other segments and campaigns refer to it."), code="stays")
        return key

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind = attrs.get("kind", self.instance.kind if self.instance else Segment.Kind.LIVE)
        if self.instance and kind != self.instance.kind:
            raise serializers.ValidationError(
                {"kind": _("A live segment stays live, a fixed list stays fixed.")}, code="stays"
            )
        if kind == Segment.Kind.FIXED:
            return self.validate_fixed(attrs)
        if "user_ids" in attrs:
            raise serializers.ValidationError({"user_ids": _("Only a fixed list takes user ids.")}, code="other_kind")
        if "condition" not in attrs:
            if not self.partial:
                raise serializers.ValidationError({"condition": _("A live segment needs a condition.")})
            return attrs
        key = attrs.get("key", self.instance.key if self.instance else "")
        try:
            check_condition(condition=attrs["condition"], key=key, as_of=timezone.now())
        except ConditionError as error:
            raise serializers.ValidationError(condition_errors(error)) from error
        return attrs

    def validate_fixed(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("condition"):
            raise serializers.ValidationError(
                {"condition": _("A fixed list has no condition; give user_ids.")}, code="other_kind"
            )
        return attrs


class ListResultSerializer(serializers.Serializer[Any]):
    added = serializers.IntegerField()
    already_on_it = serializers.IntegerField()
    unknown = serializers.ListField(child=serializers.CharField(), help_text=_("User ids that nobody has."))


class SavedSegmentSerializer(SegmentSerializer):
    list_result = ListResultSerializer(
        read_only=True, allow_null=True, default=None, help_text=_("What became of user_ids, when they were given.")
    )

    class Meta(SegmentSerializer.Meta):
        fields = [*SegmentSerializer.Meta.fields, "list_result"]


class MemberSerializer(serializers.Serializer[Customer]):
    """A member with the summary of the profile; no personal data."""

    customer_id = serializers.IntegerField(source="pk")
    user_id = serializers.CharField(allow_null=True, help_text=_("Null for a visitor without one."))
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


class PreviewRequestSerializer(StrictTypes, serializers.Serializer[Any]):
    condition = ConditionField()
    key = serializers.SlugField(
        required=False, default="", help_text=_("The segment it is meant for, so that a circle through it is found.")
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


class MembershipSerializer(serializers.Serializer[Any]):
    user_id = serializers.CharField()
    as_of = serializers.DateTimeField()
    segments = SegmentNameSerializer(many=True)


class OperatorSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    takes = serializers.CharField(help_text=_("What its value is: one, many, range, days or nothing."))


class FieldChoiceSerializer(serializers.Serializer[Any]):
    value = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class ConditionFieldSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    group = serializers.CharField()
    kind = serializers.CharField()
    help = serializers.CharField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    operators = OperatorSerializer(many=True)
    choices = FieldChoiceSerializer(many=True)
