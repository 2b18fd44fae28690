"""Serializers of campaigns."""

from decimal import Decimal
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.strict_types import StrictTypesMixin
from customers.segments.models import Segment
from recommendations.campaigns.locked_fields import get_locked_fields, get_locked_message
from recommendations.campaigns.models import Campaign


class CampaignSerializer(StrictTypesMixin, serializers.ModelSerializer[Campaign]):
    segment = serializers.SlugRelatedField(
        slug_field="key", queryset=Segment.objects.all(), help_text=_("The key of the segment.")
    )
    holdout_share = serializers.DecimalField(
        max_digits=5,
        decimal_places=4,
        min_value=Decimal(0),
        max_value=Decimal("0.9999"),
        default=Decimal("0.1"),
        help_text=_("0.1 puts one customer in ten in the holdout group."),
    )

    class Meta:
        model = Campaign
        fields = [
            "key",
            "name",
            "description",
            "channel",
            "segment",
            "holdout_share",
            "required_consent",
            "status",
            "created_at",
        ]
        read_only_fields = ["status", "created_at"]
        extra_kwargs: ClassVar[dict[str, Any]] = {"description": {"max_length": 10_000}}

    def validate_key(self, key: str) -> str:
        if self.instance and key != self.instance.key:
            raise serializers.ValidationError(_("The key cannot be changed."), code="immutable")
        return key

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance:
            changed = [
                name
                for name in get_locked_fields(self.instance)
                if name in attrs and attrs[name] != getattr(self.instance, name)
            ]
            if changed:
                raise serializers.ValidationError({name: get_locked_message() for name in changed}, code="immutable")
        return attrs


class AudiencePreviewSerializer(serializers.Serializer[Any]):
    """The number of customers at each step: segment → included → reachable → consented → held out → audience."""

    as_of = serializers.DateTimeField()
    channel = serializers.CharField()
    consent = serializers.ListField(child=serializers.CharField(), help_text=_("Required consents."))
    segment = serializers.IntegerField()
    included = serializers.IntegerField(help_text=_("Customers of the segment who are in no excluded segment."))
    reachable = serializers.IntegerField()
    consented = serializers.IntegerField()
    held_out = serializers.IntegerField()
    audience = serializers.IntegerField()
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
