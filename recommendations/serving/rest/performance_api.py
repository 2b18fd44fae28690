"""REST: how recommendations do."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations.serving.impressions.performance import WrongPeriodError, performance
from recommendations.serving.rest.performance_serializers import PerformanceQuerySerializer, PerformanceSerializer


class PerformanceView(APIView):
    """What was shown, clicked, bought and earned, by place, position and model.

    A product counts as clicked once an answer, as bought by the last answer that showed it to the same customer before they bought
    it. That says what followed, not what would not have happened without.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "models:read"}

    @extend_schema(
        operation_id="recommendations_performance",
        parameters=[PerformanceQuerySerializer],
        responses=PerformanceSerializer,
        tags=["recommendations"],
    )
    def get(self, request: Request) -> Response:
        wanted = PerformanceQuerySerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        try:
            found = performance(as_of=timezone.now(), **wanted.validated_data)
        except WrongPeriodError as error:
            raise ValidationError({"since": str(error)}) from error
        return Response(PerformanceSerializer(found).data)
