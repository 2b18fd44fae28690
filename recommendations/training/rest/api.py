"""REST API of model versions: list, promote and roll back."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException
from rest_framework.generics import ListAPIView, RetrieveAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations.training.evaluation.promotion_criteria import make_reason
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifacts import DamagedArtifactError
from recommendations.training.registry.promotion import NothingToRollBackError, promote_version, roll_back_version
from recommendations.training.rest.serializers import ModelVersionSerializer, PromotionSerializer


class VersionUnavailable(APIException):
    status_code = 409
    default_code = "cannot_serve"


class ModelVersionListView(ListAPIView):
    """All model versions with their evaluations, oldest first."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "models:read"}
    queryset = ModelVersion.objects.prefetch_related("evaluations")
    serializer_class = ModelVersionSerializer
    filterset_fields = ("scenario", "status", "algorithm")
    ordering = "id"


class ModelVersionDetailView(RetrieveAPIView):
    """One model version with its evaluations."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "models:read"}
    queryset = ModelVersion.objects.prefetch_related("evaluations")
    serializer_class = ModelVersionSerializer
    lookup_field = "version"


class PromoteModelVersionView(APIView):
    """Make a version the active one of its scenario; workers load it within two seconds."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "models:write"}
    idempotent = True

    @extend_schema(operation_id="models_promote", request=PromotionSerializer, responses=ModelVersionSerializer)
    def post(self, request: Request, version: str) -> Response:
        serializer = PromotionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        model_version = get_object_or_404(ModelVersion, version=version)
        try:
            promote_version(
                version=model_version,
                reasons=[make_reason("promoted_over_api")],
                why=serializer.validated_data["why"],
                at=timezone.now(),
            )
        except DamagedArtifactError as error:
            raise VersionUnavailable(str(error)) from error
        return Response(ModelVersionSerializer(model_version).data)


class RollBackScenarioView(APIView):
    """Return a scenario to its previous active version."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "models:write"}
    idempotent = True

    @extend_schema(operation_id="models_roll_back", request=PromotionSerializer, responses=ModelVersionSerializer)
    def post(self, request: Request, scenario: str) -> Response:
        serializer = PromotionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            model_version = roll_back_version(
                scenario=scenario,
                reasons=[make_reason("rolled_back_over_api")],
                why=serializer.validated_data["why"],
                at=timezone.now(),
            )
        except (NothingToRollBackError, DamagedArtifactError) as error:
            raise VersionUnavailable(str(error)) from error
        return Response(ModelVersionSerializer(model_version).data)
