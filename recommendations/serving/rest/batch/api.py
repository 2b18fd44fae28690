"""REST: recommendations for several placements of one page."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request as HttpRequest
from rest_framework.views import APIView

from recommendations.serving.recommend_together import InvalidPlacementsError, recommend_together
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.rest.batch.request import (
    MAX_PLACEMENTS,
    SHARED_FIELDS,
    PlacementBatchSerializer,
    build_requests,
)
from recommendations.serving.rest.serializers import PlacementResponseSerializer
from recommendations.serving.rest.serve import encode_for_caller, record_response
from recommendations.serving.state.loader import StateLoader, loader
from recommendations.serving.visitor_claims import Caller, read_caller, verify_visitor


class KeyedPlacementSerializer(PlacementResponseSerializer):
    key = serializers.CharField(help_text="The key of the placement in the request.")


class PlacementBatchResponseSerializer(serializers.Serializer):
    placements = KeyedPlacementSerializer(many=True, help_text="In the order of the request.")


class BatchResponseJSON(msgspec.Struct):
    placements: list[msgspec.Raw]


class PlacementBatchView(APIView):
    """Returns the products of several placements of one page, up to 20, for the same customer or visitor.

    A product of one placement is left out of the later ones, which still get as many products as they ask for if the shop has
    them; `distinct: false` allows repetitions. Each placement has its own `recommendation_id`. If any placement is invalid,
    nothing is returned, and the errors name its position and fields. Each placement counts as one request of the rate limit.
    """

    required_scopes: ClassVar[dict[str, str]] = {"POST": "recommendations:read"}
    publishable = True

    @extend_schema(
        operation_id="recommendations_batch",
        request=PlacementBatchSerializer,
        responses=PlacementBatchResponseSerializer,
        tags=["recommendations"],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        body = PlacementBatchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            response = serve_batch(body.validated_data, caller=read_caller(request), now=timezone.now())
        except InvalidPlacementsError as error:
            raise ValidationError(build_errors(error.errors, len(body.validated_data["placements"]))) from error
        return HttpResponse(response, content_type="application/json")

    @staticmethod
    def count_further_requests(request: HttpRequest) -> int:
        """Return how many requests the rate limit counts in addition to this one."""
        return count_placements(request.data) - 1


def count_placements(body: object) -> int:
    """Return the number of placements of a body that is not validated yet, at most as many as are valid."""
    placements = body.get("placements") if isinstance(body, Mapping) else None
    return min(len(placements), MAX_PLACEMENTS) if isinstance(placements, list) else 1


def serve_batch(body: dict[str, Any], *, caller: Caller, now: datetime, source: StateLoader = loader) -> bytes:
    """Return the JSON of all placements of a validated body and record them. Errors: InvalidPlacementsError."""
    requests = build_requests(body)
    visitor = verify_visitor(requests[0], caller=caller, now=now)
    requests = [copy_visitor(visitor, request) for request in requests]
    responses = recommend_together(requests=requests, is_distinct=body.get("distinct", True), now=now, source=source)
    parts = []
    for row, request, response in zip(body["placements"], requests, responses, strict=True):
        record_response(
            response,
            user_id=request.user_id,
            anonymous_id=request.anonymous_id,
            now=now,
            is_agent=request.is_agent,
        )
        parts.append(msgspec.Raw(encode_for_caller(response, request, key=row.get("key", ""))))
    return msgspec.json.encode(BatchResponseJSON(parts))


def copy_visitor(visitor: RecommendationRequest, request: RecommendationRequest) -> RecommendationRequest:
    """Return the request for a verified visitor."""
    return replace(
        request,
        user_id=visitor.user_id,
        anonymous_id=visitor.anonymous_id,
        is_browser=visitor.is_browser,
        is_unverified=visitor.is_unverified,
    )


def build_errors(errors: Mapping[int, Mapping[str, str]], n: int) -> dict[str, Any]:
    """Return the errors of n placements by field; those of shared fields once, at the top."""
    shared = {name: message for fields in errors.values() for name, message in fields.items() if name in SHARED_FIELDS}
    rows = [
        {name: message for name, message in errors.get(position, {}).items() if name not in SHARED_FIELDS}
        for position in range(n)
    ]
    return {**shared, **({"placements": rows} if any(rows) else {})}
