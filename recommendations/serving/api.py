"""REST: recommendations for a place of the shop."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations.serving.loading import NoModelError
from recommendations.serving.recommend import Request, WrongRequestError, recommend
from recommendations.serving.scenarios import SCENARIOS
from recommendations.serving.serializers import RecommendationQuerySerializer, RecommendationSerializer


class NotTrainedYet(APIException):
    status_code = 503
    default_code = "no_model"


class RecommendationsView(APIView):
    """Products for a place of the shop, best first, each with a true reason.

    Somebody without a history gets what people like them take and what is popular where they arrive, if that is known and was
    better for such people; else what is popular.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "recommendations:read"}
    publishable = True

    @extend_schema(
        operation_id="recommendations",
        parameters=[
            OpenApiParameter("scenario", str, OpenApiParameter.PATH, enum=SCENARIOS),
            RecommendationQuerySerializer,
        ],
        responses=RecommendationSerializer,
        tags=["recommendations"],
    )
    def get(self, request: HttpRequest, scenario: str) -> Response:
        query = RecommendationQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = dict(query.validated_data)
        product_id = wanted.pop("product_id")
        wanted["product_ids"] = [product_id, *wanted["product_ids"]] if product_id else wanted["product_ids"]
        try:
            answer = recommend(request=Request(scenario=scenario, **wanted), now=timezone.now())
        except WrongRequestError as error:
            raise ValidationError({error.field: error.message}) from error
        except NoModelError as error:
            raise NotTrainedYet(str(error)) from error
        return Response(RecommendationSerializer(answer).data)
