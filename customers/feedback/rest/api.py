"""REST endpoints of reviews and survey answers."""

from datetime import timedelta
from typing import ClassVar

import django_filters
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.foundation.backoffice.date_range import DayRange
from config.foundation.rest.filters import FlagFilter, MomentFilter, WholeNumberFilter
from config.foundation.test_mode.refusal import require_live_mode
from customers.feedback.analysis.figures import get_product_figures
from customers.feedback.analysis.ratings import measure_ratings
from customers.feedback.analysis.satisfaction import measure_satisfaction
from customers.feedback.models import Review
from customers.feedback.moderation import moderate_review
from customers.feedback.rest.serializers import (
    AnswersWriteSerializer,
    AnswersWrittenSerializer,
    FeedbackSummarySerializer,
    PeriodSerializer,
    ReviewModerationSerializer,
    ReviewSerializer,
    ReviewsWriteSerializer,
    ReviewsWrittenSerializer,
    SurveyLinkSerializer,
    SurveyLinkWriteSerializer,
    WorstProductsSerializer,
)
from customers.feedback.reviews import STARS, record_reviews
from customers.feedback.survey_links.links import make_survey_link
from customers.feedback.surveys import record_answers
from customers.identity.resolution.user_ids import find_customers_by_user_id
from customers.orders.models import Order


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": 5})
class RatingFilter(WholeNumberFilter):
    """Filters by a rating."""


class ReviewFilter(django_filters.FilterSet):
    product_id = django_filters.CharFilter(field_name="product__product_id")
    rating = RatingFilter(min_value=1, max_value=5)
    language = django_filters.CharFilter()
    is_published = FlagFilter()
    contradicts = FlagFilter()
    written_after = MomentFilter(field_name="written_at", lookup_expr="gt")

    class Meta:
        model = Review
        fields: list[str] = []


class ReviewList(generics.ListAPIView):
    """Reviews."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "feedback:read", "PUT": "feedback:write"}
    idempotent = True
    ordering = "review_id"
    queryset = Review.objects.select_related("product", "customer").prefetch_related("customer__identifiers")
    serializer_class = ReviewSerializer
    filterset_class = ReviewFilter

    @extend_schema(
        operation_id="reviews_upsert",
        request=ReviewsWriteSerializer,
        responses=ReviewsWrittenSerializer,
        filters=False,
    )
    def put(self, request: Request) -> Response:
        """Create or replace up to 1000 reviews. An invalid review is rejected alone; an unchanged one is left untouched."""
        serializer = ReviewsWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        result = record_reviews(items=serializer.validated_data["reviews"], received_at=timezone.now())
        return Response(result.build_response("review_id"))


class SurveyAnswers(APIView):
    """Answers to NPS and CSAT surveys."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "feedback:write"}
    idempotent = True

    @extend_schema(operation_id="surveys_record", request=AnswersWriteSerializer, responses=AnswersWrittenSerializer)
    def post(self, request: Request) -> Response:
        """Add up to 1000 answers. Send an Idempotency-Key so that a repeated request does not add them again."""
        serializer = AnswersWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        result = record_answers(items=serializer.validated_data["answers"], received_at=timezone.now())
        return Response(result.build_response("user_id"))


class ReviewModeration(APIView):
    """Whether a review is published, and the reply of the shop."""

    required_scopes: ClassVar[dict[str, str]] = {"PATCH": "feedback:write"}

    @extend_schema(operation_id="review_moderate", request=ReviewModerationSerializer, responses=ReviewSerializer)
    def patch(self, request: Request, review_id: str) -> Response:
        """Publish, hide or answer a review. A missing field stays as it is; an empty reply removes it."""
        serializer = ReviewModerationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        review = get_object_or_404(ReviewList.queryset.all(), review_id=review_id)
        values = serializer.validated_data
        moderate_review(
            review=review,
            is_published=values.get("is_published", review.is_published),
            reply=values.get("reply", review.reply),
            now=timezone.now(),
        )
        return Response(ReviewSerializer(review, context={"request": request}).data)


class SurveyLinks(APIView):
    """Links to a survey with one question, to send after a delivery."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "feedback:write"}

    @extend_schema(operation_id="survey_link_create", request=SurveyLinkWriteSerializer, responses=SurveyLinkSerializer)
    def post(self, request: Request) -> Response:
        """Return a signed link, on which a customer answers without logging in. Each link has one answer, which can be changed."""
        serializer = SurveyLinkWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        customer_id = None
        if user_id := values.get("user_id"):
            customer_id = find_customers_by_user_id(user_ids=[user_id]).get(user_id)
            if customer_id is None:
                problem = _("Unknown customer %(value)s.") % {"value": repr(user_id)}
                raise ValidationError({"user_id": problem}, code="does_not_exist")
        order_id = values.get("order_id") or ""
        orders = Order.objects.filter(order_id=order_id)
        if customer_id is not None:  # without a customer, the order may be that of a guest
            orders = orders.filter(customer_id=customer_id)
        if order_id and not orders.exists():
            problem = _("Unknown order %(value)s.") % {"value": repr(order_id)}
            raise ValidationError({"order_id": problem}, code="does_not_exist")
        require_live_mode()
        expires_at = timezone.now() + timedelta(days=values["valid_days"])
        url = make_survey_link(
            kind=values["kind"],
            customer_id=customer_id,
            order_id=order_id,
            language=values.get("language", ""),
            expires_at=expires_at,
        )
        return Response(SurveyLinkSerializer({"url": url, "expires_at": expires_at}).data)


class FeedbackSummary(APIView):
    """Ratings, NPS and CSAT of a period."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "feedback:read"}
    checks_parameters = True

    @extend_schema(operation_id="feedback_summary", parameters=[PeriodSerializer], responses=FeedbackSummarySerializer)
    def get(self, request: Request) -> Response:
        period = read_period(request)
        ratings, satisfaction = measure_ratings(period), measure_satisfaction(period)
        values = {
            "since": period.first,
            "until": period.last,
            "reviews": ratings.count,
            "average_rating": ratings.average,
            "ratings": {str(star): count for star, count in zip(STARS, ratings.stars, strict=True)},
            "contradicting": ratings.contradicting,
            "nps": satisfaction.nps,
            "csat": satisfaction.csat,
        }
        return Response(FeedbackSummarySerializer(values).data)


class WorstProducts(APIView):
    """The products that are reviewed worst in a period, with the words that are typical of their bad reviews."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "feedback:read"}
    checks_parameters = True

    @extend_schema(
        operation_id="feedback_worst_products", parameters=[PeriodSerializer], responses=WorstProductsSerializer
    )
    def get(self, request: Request) -> Response:
        """Return up to 50 products with at least three reviews, the worst first."""
        period = read_period(request)
        figures = get_product_figures(period)
        values = {
            "as_of": figures.as_of,
            "since": period.first,
            "until": period.last,
            "products": figures.products,
        }
        return Response(WorstProductsSerializer(values).data)


def read_period(request: Request) -> DayRange:
    serializer = PeriodSerializer(data=request.query_params)
    serializer.is_valid(raise_exception=True)
    period: DayRange = serializer.validated_data["period"]
    return period
