"""Serializer of rules."""

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin
from customers.segments.models import Segment
from recommendations.merchandising.backoffice.rule_labels import describe_rule
from recommendations.merchandising.choices import (
    EDITABLE_FIELDS,
    MAX_PRODUCT_ID_LENGTH,
    MAX_PRODUCT_IDS,
    RulePlacement,
    Weekday,
)
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rest.rule_schema import build_rule_schema
from recommendations.merchandising.rules.validation import find_rule_problems


class RuleSerializer(StrictTypesMixin, serializers.ModelSerializer[Rule]):
    segment = serializers.SlugRelatedField(
        slug_field="key",
        queryset=Segment.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("The key of the segment."),
    )
    scenarios = serializers.ListField(
        child=serializers.ChoiceField(choices=RulePlacement.choices),
        required=False,
        help_text=_("Leave empty for all placements."),
    )
    product_ids = serializers.ListField(
        child=serializers.CharField(max_length=MAX_PRODUCT_ID_LENGTH), required=False, max_length=MAX_PRODUCT_IDS
    )
    weekdays = serializers.ListField(
        child=serializers.ChoiceField(choices=Weekday.choices),
        required=False,
        help_text=_("1 is Monday, 7 is Sunday. Leave empty for every day."),
    )
    description = serializers.SerializerMethodField(
        help_text=_("Description of the rule in the language requested by Accept-Language.")
    )

    request_schema: ClassVar[dict[str, Any]] = build_rule_schema()

    class Meta:
        model = Rule
        fields = ["id", *EDITABLE_FIELDS, "created_at", "updated_at", "description"]
        read_only_fields = ["id", "created_at", "updated_at"]

    def get_description(self, rule: Rule) -> str:
        return describe_rule(rule)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Validate the whole rule as it would be stored, not only the fields sent."""
        stored = {name: getattr(self.instance, name) for name in EDITABLE_FIELDS} if self.instance else {}
        problems = find_rule_problems(Rule(**{**stored, **attrs}))
        if problems:
            raise serializers.ValidationError(problems, code="contradictory")
        return attrs
