"""REST: recommendations for a place of the shop, and a list in somebody's order."""

from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request as HttpRequest
from rest_framework.views import APIView

from recommendations.engine.placements import SCENARIOS
from recommendations.serving.rank import RankRequest
from recommendations.serving.request import Request, WrongRequestError
from recommendations.serving.rest.serializers import (
    PlaceSerializer,
    RankingSerializer,
    RankRequestSerializer,
    RecommendationQuerySerializer,
)
from recommendations.serving.rest.serve import ranked, recommended


class RecommendationsView(APIView):
    """Products for a place of the shop, best first, each with a true reason.

    Where a place has nothing to show its fallback takes over, and the answer says which and why; unknown ids are no errors.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "recommendations:read"}
    publishable = True

    @extend_schema(
        operation_id="recommendations",
        parameters=[
            OpenApiParameter("scenario", str, OpenApiParameter.PATH, enum=list(SCENARIOS)),
            RecommendationQuerySerializer,
        ],
        responses=PlaceSerializer,
        tags=["recommendations"],
    )
    def get(self, request: HttpRequest, scenario: str) -> HttpResponse:
        query = RecommendationQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = dict(query.validated_data)
        product_id = wanted.pop("product_id")
        wanted["product_ids"] = [product_id, *wanted["product_ids"]] if product_id else wanted["product_ids"]
        try:
            body = recommended(request=Request(scenario=scenario, **wanted), now=timezone.now())
        except WrongRequestError as error:
            raise ValidationError({error.field: error.message}) from error
        return HttpResponse(body, content_type="application/json")


class RankView(APIView):
    """A list of products in the order in which somebody would choose them.

    What may not be shown is left out and named; what is not known stays, last; where nothing is known of the person the order stays.
    """

    required_scopes: ClassVar[dict[str, str]] = {"POST": "recommendations:read"}
    publishable = True

    @extend_schema(
        operation_id="rank", request=RankRequestSerializer, responses=RankingSerializer, tags=["recommendations"]
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        wanted = RankRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            answer = ranked(request=RankRequest(**wanted.validated_data), now=timezone.now())
        except WrongRequestError as error:
            raise ValidationError({error.field: error.message}) from error
        return HttpResponse(answer, content_type="application/json")
