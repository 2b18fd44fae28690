"""Serializer of rules."""

from collections.abc import Collection, Mapping
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
from recommendations.merchandising.rules.validation import ACTION_FIELDS, CONDITIONS, find_rule_problems


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

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError as error:
            if not isinstance(data, Mapping) or not isinstance(error.detail, dict):
                raise
            problems = self._find_other_problems(data, error.detail)
            details = serializers.ValidationError(problems, code="contradictory").detail
            raise serializers.ValidationError({**error.detail, **details}) from error  # type: ignore[dict-item]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        problems = self._find_problems(attrs)
        if problems:
            raise serializers.ValidationError(problems, code="contradictory")
        return attrs

    def _find_problems(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Validate the whole rule as it would be stored, not only the fields sent."""
        stored = {name: getattr(self.instance, name) for name in EDITABLE_FIELDS} if self.instance else {}
        return find_rule_problems(Rule(**{**stored, **values}))

    def _find_other_problems(self, data: Mapping[str, Any], invalid: Collection[str]) -> dict[str, str]:
        """Return the problems of the valid fields that do not depend on an invalid one."""
        valid = [
            field for field in self._writable_fields if field.field_name in data and field.field_name not in invalid
        ]
        problems = self._find_problems(
            {str(field.source): field.run_validation(data[str(field.field_name)]) for field in valid}
        )
        unknown = set(invalid)
        if "action" in unknown:
            unknown |= {*ACTION_FIELDS, "product_ids"}
        if unknown & set(CONDITIONS):
            unknown.add("category")
        return {name: text for name, text in problems.items() if name not in unknown}
