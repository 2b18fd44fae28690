"""REST: recommendations for a placement, and the ranking of a given list."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request as HttpRequest
from rest_framework.views import APIView

from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.rank import RankRequest
from recommendations.serving.request import InvalidRequestError, validate_request
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
    checks_parameters = True
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
        if not query.is_valid():
            raise ValidationError({**find_contradictions(scenario, request.query_params, query.errors), **query.errors})
        try:
            now = timezone.now()
            claimed = make_request(scenario, dict(query.validated_data))
            body = serve_recommendations(request=verify_visitor(claimed, caller=read_caller(request), now=now), now=now)
        except InvalidRequestError as error:
            raise ValidationError(error.errors) from error
        return HttpResponse(body, content_type="application/json")


def find_contradictions(scenario: str, params: QueryDict, errors: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with the valid ones of the parameters, so that one response names all problems."""
    valid = params.copy()
    for name in errors:
        valid.pop(name, None)
    query = RecommendationQuerySerializer(data=valid)
    if not query.is_valid():
        return {}
    try:
        validate_request(make_request(scenario, dict(query.validated_data)))
    except InvalidRequestError as error:
        return error.errors
    return {}


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
            raise ValidationError(error.errors) from error
        return HttpResponse(response, content_type="application/json")
