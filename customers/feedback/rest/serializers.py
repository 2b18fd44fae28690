"""Serializers of reviews and survey answers."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils.text import format_lazy
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.bulk_results import ItemStatus
from config.foundation.backoffice.date_range import MAX_YEAR, MIN_YEAR, DayRange
from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.strict_types import StrictTypesMixin
from customers.feedback.models import Review, SurveyAnswer
from customers.feedback.moderation import MAX_REPLY_LENGTH
from customers.feedback.survey_links.links import DEFAULT_LIFETIME, MAX_LIFETIME
from customers.identity.rest.masked_fields import MASKED_ID_HELP, MaskedTextField, find_user_id

MAX_ITEMS = 1000
DEFAULT_DAYS = 90
STATUSES = [(status.value, status.value) for status in ItemStatus]


class FeedbackItemSerializer(serializers.Serializer):
    """Documents the fields; the values are checked when they are written, so that an invalid item does not block others."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(_("Each item must be a JSON object."))
        return data


class ReviewSerializer(serializers.ModelSerializer):
    product_id: Any = serializers.SlugRelatedField(slug_field="product_id", source="product", read_only=True)
    user_id = serializers.SerializerMethodField(
        help_text=format_lazy("{} {}", _("The author's first user ID; null for guests."), MASKED_ID_HELP)
    )
    title = MaskedTextField()
    body = MaskedTextField()
    reply = MaskedTextField(help_text=_("The public answer of the shop."))

    class Meta:
        model = Review
        fields = (
            "review_id",
            "product_id",
            "user_id",
            "rating",
            "title",
            "body",
            "language",
            "written_at",
            "sentiment",
            "contradicts",
            "is_published",
            "reply",
            "replied_at",
        )

    @extend_schema_field({"type": "string", "nullable": True})
    def get_user_id(self, review: Review) -> str | None:
        return find_user_id(review.customer, self.context)


class ReviewItemSerializer(FeedbackItemSerializer):
    """One review to write; it replaces the one with the same id."""

    review_id = serializers.CharField(max_length=200)
    product_id = serializers.CharField(max_length=200)
    user_id = serializers.CharField(max_length=255, required=False, allow_null=True)
    rating = serializers.IntegerField(min_value=1, max_value=5)
    title = serializers.CharField(max_length=300, required=False, allow_blank=True, allow_null=True)
    body = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    language = serializers.CharField(max_length=20, required=False, allow_blank=True, allow_null=True)
    written_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text=_("Defaults to the time of receipt.")
    )


class ReviewsWriteSerializer(KnownFieldsMixin, serializers.Serializer):
    reviews = ReviewItemSerializer(many=True, max_length=MAX_ITEMS)  # type: ignore[call-arg]


class FeedbackItemErrorSerializer(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class ReviewResultSerializer(serializers.Serializer):
    index = serializers.IntegerField()
    review_id = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    errors = FeedbackItemErrorSerializer(many=True)  # type: ignore[assignment]


class ReviewsWrittenSerializer(serializers.Serializer):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = ReviewResultSerializer(many=True)


class AnswerItemSerializer(FeedbackItemSerializer):
    """One answer to a survey."""

    user_id = serializers.CharField(max_length=255, required=False, allow_null=True)
    kind = serializers.ChoiceField(choices=SurveyAnswer.Kind.choices)
    score = serializers.IntegerField(min_value=0, max_value=10, help_text=_("NPS: 0 to 10. CSAT: 1 to 5."))
    comment = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    answered_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text=_("Defaults to the time of receipt.")
    )


class AnswersWriteSerializer(KnownFieldsMixin, serializers.Serializer):
    answers = AnswerItemSerializer(many=True, max_length=MAX_ITEMS)  # type: ignore[call-arg]


class AnswerResultSerializer(serializers.Serializer):
    index = serializers.IntegerField()
    user_id = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    errors = FeedbackItemErrorSerializer(many=True)  # type: ignore[assignment]


class AnswersWrittenSerializer(serializers.Serializer):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = AnswerResultSerializer(many=True)


class ReviewModerationSerializer(StrictTypesMixin, serializers.Serializer):
    """What the shop decides about a review; a missing field stays as it is."""

    is_published = serializers.BooleanField(required=False)
    reply = serializers.CharField(required=False, allow_blank=True, max_length=MAX_REPLY_LENGTH)


class SurveyLinkWriteSerializer(StrictTypesMixin, serializers.Serializer):
    kind = serializers.ChoiceField(choices=SurveyAnswer.Kind.choices)
    user_id = serializers.CharField(
        max_length=255, required=False, allow_null=True, help_text=_("Without it, the answer is anonymous.")
    )
    order_id = serializers.CharField(
        max_length=100, required=False, allow_blank=True, allow_null=True, help_text=_("An order of the customer.")
    )
    language = serializers.ChoiceField(
        choices=settings.LANGUAGES, required=False, help_text=_("Defaults to the language of the browser.")
    )
    valid_days = serializers.IntegerField(min_value=1, max_value=MAX_LIFETIME.days, default=DEFAULT_LIFETIME.days)


class SurveyLinkSerializer(serializers.Serializer):
    url = serializers.URLField()
    expires_at = serializers.DateTimeField()


class PeriodSerializer(KnownFieldsMixin, serializers.Serializer):
    """The days of a report, both included."""

    since = serializers.DateField(required=False, help_text=_("Defaults to 89 days before until."))
    until = serializers.DateField(required=False, help_text=_("Defaults to today."))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        until = attrs.get("until") or localdate()
        if not MIN_YEAR < until.year < MAX_YEAR:
            raise serializers.ValidationError({"until": _("The year is out of range.")})
        since = attrs.get("since") or until - timedelta(days=DEFAULT_DAYS - 1)
        if not MIN_YEAR < since.year < MAX_YEAR:
            raise serializers.ValidationError({"since": _("The year is out of range.")})
        if since > until:
            raise serializers.ValidationError({"since": _("since must not be after until, which defaults to today.")})
        return {"period": DayRange(since, until)}


class EstimateSerializer(serializers.Serializer):
    answers = serializers.IntegerField()
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class FeedbackSummarySerializer(serializers.Serializer):
    """Ratings and satisfaction of a period."""

    since = serializers.DateField()
    until = serializers.DateField()
    reviews = serializers.IntegerField()
    average_rating = serializers.FloatField(allow_null=True)
    ratings = serializers.DictField(child=serializers.IntegerField(), help_text=_("Number of reviews per rating."))
    contradicting = serializers.IntegerField()
    nps = EstimateSerializer(help_text=_("−100 to 100, with its 95% interval."))
    csat = EstimateSerializer(help_text=_("Share of answers of 4–5, with its 95% interval."))


class PhraseSerializer(serializers.Serializer):
    text = serializers.CharField()
    texts = serializers.IntegerField()
    other_texts = serializers.IntegerField()
    z = serializers.FloatField()


class RatedProductSerializer(serializers.Serializer):
    """A product with its ratings of a period, and the words that are typical of its reviews with 1–3★."""

    product_id = serializers.CharField()
    title = serializers.CharField()
    reviews = serializers.IntegerField(source="count")
    average_rating = serializers.FloatField(source="average")
    low_ratings = serializers.IntegerField(source="low")
    reasons = PhraseSerializer(many=True)


class WorstProductsSerializer(serializers.Serializer):
    as_of = serializers.DateTimeField()
    since = serializers.DateField()
    until = serializers.DateField()
    products = RatedProductSerializer(many=True)
