"""REST API of recommendation performance."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations.serving.impressions.performance import InvalidPeriodError, get_performance
from recommendations.serving.rest.performance_serializers import PerformanceQuerySerializer, PerformanceSerializer


class PerformanceView(APIView):
    """Products shown, clicked and bought, and revenue, by placement, position and model.

    A product counts as clicked once per response, and as bought for the last response that showed it to the same customer before the
    purchase. This is correlation, not the incremental effect of recommendations.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "models:read"}
    checks_parameters = True

    @extend_schema(
        operation_id="recommendations_performance",
        parameters=[PerformanceQuerySerializer],
        responses=PerformanceSerializer,
        tags=["recommendations"],
    )
    def get(self, request: Request) -> Response:
        serializer = PerformanceQuerySerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        try:
            report = get_performance(as_of=timezone.now(), **serializer.validated_data)
        except InvalidPeriodError as error:
            raise ValidationError({"since": str(error)}) from error
        return Response(PerformanceSerializer(report).data)
