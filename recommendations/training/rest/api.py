"""REST: model versions, their figures, promotion and roll-back."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException
from rest_framework.generics import ListAPIView, RetrieveAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations.training.evaluation.promotion_criteria import reason
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifacts import DamagedArtifactError
from recommendations.training.registry.promotion import NothingToRollBackError, promote, roll_back
from recommendations.training.rest.serializers import ModelVersionSerializer, PromotionSerializer


class CannotServe(APIException):
    status_code = 409
    default_code = "cannot_serve"


class ModelList(ListAPIView):
    """All model versions, oldest first, with what they were judged by."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "models:read"}
    queryset = ModelVersion.objects.prefetch_related("evaluations")
    serializer_class = ModelVersionSerializer
    filterset_fields = ("scenario", "status", "algorithm")
    ordering = "id"


class ModelDetail(RetrieveAPIView):
    """One model version."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "models:read"}
    queryset = ModelVersion.objects.prefetch_related("evaluations")
    serializer_class = ModelVersionSerializer
    lookup_field = "version"


class Promote(APIView):
    """Makes a version the active one of its scenario; workers take it up within two seconds."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "models:write"}
    idempotent = True

    @extend_schema(operation_id="models_promote", request=PromotionSerializer, responses=ModelVersionSerializer)
    def post(self, request: Request, version: str) -> Response:
        wanted = PromotionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        found = get_object_or_404(ModelVersion, version=version)
        try:
            promote(
                version=found,
                reasons=[reason("promoted_over_api")],
                why=wanted.validated_data["why"],
                at=timezone.now(),
            )
        except DamagedArtifactError as error:
            raise CannotServe(str(error)) from error
        return Response(ModelVersionSerializer(found).data)


class RollBack(APIView):
    """Returns a scenario to the version that was active before."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "models:write"}
    idempotent = True

    @extend_schema(operation_id="models_roll_back", request=PromotionSerializer, responses=ModelVersionSerializer)
    def post(self, request: Request, scenario: str) -> Response:
        wanted = PromotionSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            found = roll_back(
                scenario=scenario,
                reasons=[reason("rolled_back_over_api")],
                why=wanted.validated_data["why"],
                at=timezone.now(),
            )
        except (NothingToRollBackError, DamagedArtifactError) as error:
            raise CannotServe(str(error)) from error
        return Response(ModelVersionSerializer(found).data)
