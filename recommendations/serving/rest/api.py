"""REST: recommendations for a placement, and the ranking of a given list."""

from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request as HttpRequest
from rest_framework.views import APIView

from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.rank import RankRequest
from recommendations.serving.request import InvalidRequestError
from recommendations.serving.rest.request import (
    RankRequestSerializer,
    RecommendationQuerySerializer,
    make_request,
)
from recommendations.serving.rest.serializers import PlacementResponseSerializer, RankingSerializer
from recommendations.serving.rest.serve import serve_ranking, serve_recommendations
from recommendations.serving.visitor_claims import read_caller, verify_visitor


class RecommendationsView(APIView):
    """Returns the products of a placement, best first, each with the reason why it is shown.

    If a placement has no products, its fallback is returned and named with the reason. Unknown customer, visitor and product
    IDs are not errors.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "recommendations:read"}
    publishable = True

    @extend_schema(
        operation_id="recommendations",
        parameters=[
            OpenApiParameter("scenario", str, OpenApiParameter.PATH, enum=list(PLACEMENTS)),
            RecommendationQuerySerializer,
        ],
        responses=PlacementResponseSerializer,
        tags=["recommendations"],
    )
    def get(self, request: HttpRequest, scenario: str) -> HttpResponse:
        query = RecommendationQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        try:
            now = timezone.now()
            claimed = make_request(scenario, dict(query.validated_data))
            body = serve_recommendations(request=verify_visitor(claimed, caller=read_caller(request), now=now), now=now)
        except InvalidRequestError as error:
            raise ValidationError({error.field: error.message}) from error
        return HttpResponse(body, content_type="application/json")


class RankView(APIView):
    """Returns a list of products in the order in which a customer or visitor would choose them.

    Products that must not be shown are left out and listed with the reason. Unknown products stay, at the end. If nothing is
    known about the visitor, the order does not change.
    """

    required_scopes: ClassVar[dict[str, str]] = {"POST": "recommendations:read"}
    publishable = True

    @extend_schema(
        operation_id="rank", request=RankRequestSerializer, responses=RankingSerializer, tags=["recommendations"]
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        body = RankRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            now = timezone.now()
            claimed = RankRequest(**body.validated_data)
            response = serve_ranking(request=verify_visitor(claimed, caller=read_caller(request), now=now), now=now)
        except InvalidRequestError as error:
            raise ValidationError({error.field: error.message}) from error
        return HttpResponse(response, content_type="application/json")
