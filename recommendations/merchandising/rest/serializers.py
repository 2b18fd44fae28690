"""The shape of a rule over REST."""

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypes
from customers.segments.models import Segment
from recommendations.merchandising.backoffice.rule_labels import in_words
from recommendations.merchandising.choices import MOST_PRODUCT_IDS, WRITTEN_FIELDS, Place, Weekday
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rest.rule_schema import rule_schema
from recommendations.merchandising.rules.validation import problems_of


class RuleSerializer(StrictTypes, serializers.ModelSerializer[Rule]):
    segment = serializers.SlugRelatedField(
        slug_field="key", queryset=Segment.objects.all(), required=False, allow_null=True, help_text=_("Its key.")
    )
    scenarios = serializers.ListField(
        child=serializers.ChoiceField(choices=Place.choices), required=False, help_text=_("Empty: everywhere.")
    )
    product_ids = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, max_length=MOST_PRODUCT_IDS
    )
    weekdays = serializers.ListField(
        child=serializers.ChoiceField(choices=Weekday.choices),
        required=False,
        help_text=_("1 is Monday, 7 is Sunday. Empty: every day."),
    )
    in_words = serializers.SerializerMethodField(help_text=_("What it does, in the language of Accept-Language."))

    request_schema: ClassVar[dict[str, Any]] = rule_schema()

    class Meta:
        model = Rule
        fields = ["id", *WRITTEN_FIELDS, "created_at", "updated_at", "in_words"]
        read_only_fields = ["id", "created_at", "updated_at"]

    def get_in_words(self, rule: Rule) -> str:
        return in_words(rule)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The whole rule as it would be, not only what is sent."""
        stored = {name: getattr(self.instance, name) for name in WRITTEN_FIELDS} if self.instance else {}
        problems = problems_of(Rule(**{**stored, **attrs}))
        if problems:
            raise serializers.ValidationError(problems, code="contradictory")
        return attrs
