"""Serializers of on-site offers."""

from typing import Any, ClassVar

from django.db import transaction
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.strict_types import StrictTypesMixin
from customers.segments.models import Segment
from recommendations.offers.editing import find_period_problem
from recommendations.offers.models import Offer, OfferContent
from recommendations.offers.outcomes import Outcome
from recommendations.offers.reporting import Reaction

MAX_ID_LENGTH = 255


class OfferQuerySerializer(KnownFieldsMixin, serializers.Serializer[Any]):
    placement = serializers.SlugField(max_length=100, help_text=_("The place on the page, such as top."))
    anonymous_id = serializers.CharField(
        max_length=MAX_ID_LENGTH,
        required=False,
        default="",
        help_text=_("The ID of the device, in addition to the customer."),
    )


class VisitorOfferQuerySerializer(KnownFieldsMixin, serializers.Serializer[Any]):
    placement = serializers.SlugField(max_length=100, help_text=_("The place on the page, such as top."))


class ShownOfferSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    exposure_id = serializers.UUIDField(help_text=_("Send this ID when you report a click."))
    title = serializers.CharField()
    text = serializers.CharField(allow_blank=True)
    button = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)
    image_url = serializers.CharField(allow_blank=True)
    language = serializers.CharField()


class OfferReasonSerializer(serializers.Serializer[Any]):
    offer = serializers.CharField(help_text=_("The key of the offer."))
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    text = serializers.CharField()


class OfferDecisionSerializer(serializers.Serializer[Any]):
    placement = serializers.CharField()
    identity = serializers.CharField(
        required=False, help_text=_("unverified: the user_id was ignored, because no valid user token came with it.")
    )
    offer = ShownOfferSerializer(allow_null=True)
    reasons = OfferReasonSerializer(
        many=True, required=False, help_text=_("For secret keys only: the outcome of every running offer.")
    )


class ReactionSerializer(KnownFieldsMixin, serializers.Serializer[Any]):
    reaction = serializers.ChoiceField(choices=Reaction.choices)


class OfferContentSerializer(StrictTypesMixin, serializers.ModelSerializer[OfferContent]):
    class Meta:
        model = OfferContent
        fields = ["language", "title", "text", "button", "url", "image_url"]


class OfferSerializer(StrictTypesMixin, serializers.ModelSerializer[Offer]):
    segment = serializers.SlugRelatedField(
        slug_field="key",
        queryset=Segment.objects.all(),
        allow_null=True,
        required=False,
        help_text=_("The key of the segment; null: everyone."),
    )
    contents = OfferContentSerializer(many=True, help_text=_("One for each language."))

    class Meta:
        model = Offer
        fields = [
            "key",
            "name",
            "placement",
            "segment",
            "is_individual",
            "starts_at",
            "ends_at",
            "priority",
            "holdout_share",
            "max_shows_per_day",
            "status",
            "contents",
            "created_at",
            "started_at",
        ]
        read_only_fields: ClassVar[list[str]] = ["status", "created_at", "started_at"]

    def validate_key(self, key: str) -> str:
        if self.instance and key != self.instance.key:
            raise serializers.ValidationError(_("The key cannot be changed."), code="immutable")
        return key

    def validate_contents(self, contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not all(
            "language" in content for content in contents
        ):  # an update may leave out fields, but each content in it must be complete
            raise serializers.ValidationError(_("Each content needs a language."), code="required")
        if not all(content.get("title") for content in contents):
            raise serializers.ValidationError(_("Each content needs a title."), code="required")
        languages = [content["language"] for content in contents]
        if len(set(languages)) < len(languages):
            raise serializers.ValidationError(_("Each language can have only one content."), code="unique")
        return contents

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        values = {name: attrs.get(name, getattr(self.instance, name, None)) for name in ("starts_at", "ends_at")}
        if problem := find_period_problem(**values):
            raise serializers.ValidationError({"ends_at": str(problem)}, code="invalid")
        return attrs

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> Offer:
        contents = validated_data.pop("contents")
        offer = Offer.objects.create(**validated_data)
        OfferContent.objects.bulk_create(OfferContent(offer=offer, **content) for content in contents)
        return offer

    @transaction.atomic
    def update(self, instance: Offer, validated_data: dict[str, Any]) -> Offer:
        contents = validated_data.pop("contents", None)
        offer = super().update(instance, validated_data)
        if contents is not None:
            offer.contents.all().delete()
            OfferContent.objects.bulk_create(OfferContent(offer=offer, **content) for content in contents)
        return offer


class OfferGroupSerializer(serializers.Serializer[Any]):
    people = serializers.IntegerField()
    buyers = serializers.IntegerField(help_text=_("People who ordered within the window after their first exposure."))
    orders = serializers.IntegerField()
    orders_per_person = serializers.FloatField(allow_null=True)
    conversion_rate = serializers.FloatField(allow_null=True)


class OfferResultsSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    window_days = serializers.IntegerField()
    shows = serializers.IntegerField()
    visitors = serializers.IntegerField(help_text=_("Number of customers, and of devices that belong to no customer."))
    clicks = serializers.IntegerField()
    closes = serializers.IntegerField()
    click_through_rate = serializers.FloatField(allow_null=True)
    shown = OfferGroupSerializer()
    held_out = OfferGroupSerializer()
    difference = serializers.FloatField(
        allow_null=True,
        help_text=_("Conversion rate of the people who saw the offer, minus that of the holdout group."),
    )
    low = serializers.FloatField(allow_null=True, help_text=_("Lower end of the 95% interval of the difference."))
    high = serializers.FloatField(allow_null=True, help_text=_("Upper end of the 95% interval of the difference."))
    order_difference = serializers.FloatField(
        allow_null=True,
        help_text=_("Orders per person who saw the offer, minus orders per person in the holdout group."),
    )
    order_low = serializers.FloatField(allow_null=True, help_text=_("Lower end of its 95% interval."))
    order_high = serializers.FloatField(allow_null=True, help_text=_("Upper end of its 95% interval."))
