"""REST endpoints of reviews and survey answers."""

from typing import ClassVar

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.foundation.rest.filters import MomentFilter, WholeNumberFilter
from customers.feedback.models import Review
from customers.feedback.rest.serializers import (
    AnswersWriteSerializer,
    AnswersWrittenSerializer,
    ReviewSerializer,
    ReviewsWriteSerializer,
    ReviewsWrittenSerializer,
)
from customers.feedback.reviews import record_reviews
from customers.feedback.surveys import record_answers


class ReviewFilter(django_filters.FilterSet):
    product_id = django_filters.CharFilter(field_name="product__product_id")
    rating = WholeNumberFilter()
    language = django_filters.CharFilter()
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
