"""REST: experiments, their results, and the actions start, stop and promote."""

from typing import ClassVar

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations.experiments import editing
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import Experiment
from recommendations.experiments.rest.access import check_promoting, check_starting
from recommendations.experiments.rest.serializers import (
    ExperimentResultsSerializer,
    ExperimentSerializer,
    VariantPromotionSerializer,
)


@extend_schema_view(get=extend_schema(operation_id="experiments_list"))
class ExperimentList(generics.ListAPIView[Experiment]):
    """All experiments by key."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "experiments:read"}
    queryset = Experiment.objects.prefetch_related("variants")
    serializer_class = ExperimentSerializer
    ordering = "key"


@extend_schema_view(get=extend_schema(operation_id="experiments_retrieve"))
class ExperimentDetail(generics.RetrieveAPIView[Experiment]):
    """One experiment with its variants."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "experiments:read"}
    queryset = Experiment.objects.prefetch_related("variants")
    serializer_class = ExperimentSerializer
    lookup_field = "key"


class ExperimentResultsView(APIView):
    """What each variant did, compared with the control by intent to treat."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "experiments:read"}

    @extend_schema(operation_id="experiments_results", responses=ExperimentResultsSerializer)
    def get(self, request: Request, key: str) -> Response:
        results = measure_experiment(get_object_or_404(Experiment, key=key), as_of=timezone.now())
        return Response(ExperimentResultsSerializer(results).data)


class ExperimentNotReady(APIException):
    status_code = 409
    default_code = "not_ready"


class ExperimentActionView(APIView):
    """Base of the actions on one experiment."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "experiments:write"}
    methods_without_body: ClassVar[tuple[str, ...]] = ("POST",)
    idempotent = True
    conflicts = ("POST",)

    def respond(self, key: str) -> Response:
        experiment = Experiment.objects.prefetch_related("variants").get(key=key)
        return Response(ExperimentSerializer(experiment).data)


class ExperimentStart(ExperimentActionView):
    """Serve the variants from now on. Offers and messages also require the scope campaigns:write."""

    @extend_schema(operation_id="experiments_start", request=None, responses=ExperimentSerializer)
    def post(self, request: Request, key: str) -> Response:
        experiment = get_object_or_404(Experiment, key=key)
        check_starting(request, experiment)
        try:
            editing.start_experiment(experiment=experiment, user=request.user, now=timezone.now())
        except editing.ExperimentNotReadyError as error:
            raise ExperimentNotReady(str(error)) from error
        return self.respond(key)


class ExperimentStop(ExperimentActionView):
    """Serve the present settings to everyone again; the results stay."""

    @extend_schema(operation_id="experiments_stop", request=None, responses=ExperimentSerializer)
    def post(self, request: Request, key: str) -> Response:
        experiment = get_object_or_404(Experiment, key=key)
        try:
            editing.stop_experiment(experiment=experiment, user=request.user, now=timezone.now())
        except editing.ExperimentNotReadyError as error:
            raise ExperimentNotReady(str(error)) from error
        return self.respond(key)


class ExperimentPromote(ExperimentActionView):
    """Apply the settings of a variant to everyone. It stops a running experiment, and can be undone.

    It also requires the scope of what it changes: recommendations:write, or campaigns:write for offers and messages.
    """

    methods_without_body = ()

    @extend_schema(
        operation_id="experiments_promote", request=VariantPromotionSerializer, responses=ExperimentSerializer
    )
    def post(self, request: Request, key: str) -> Response:
        experiment = get_object_or_404(Experiment, key=key)
        check_promoting(request, experiment)
        body = VariantPromotionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        variant = get_object_or_404(experiment.variants, key=body.validated_data["variant"])
        try:
            editing.promote_variant(experiment=experiment, variant=variant, user=request.user, now=timezone.now())
        except editing.ExperimentNotReadyError as error:
            raise ExperimentNotReady(str(error)) from error
        return self.respond(key)


class ExperimentUndo(ExperimentActionView):
    """Restore the settings that the promotion has replaced. It requires the same scopes as the promotion."""

    @extend_schema(operation_id="experiments_undo_promotion", request=None, responses=ExperimentSerializer)
    def post(self, request: Request, key: str) -> Response:
        experiment = get_object_or_404(Experiment, key=key)
        check_promoting(request, experiment)
        try:
            editing.undo_promotion(experiment=experiment)
        except editing.ExperimentNotReadyError as error:
            raise ExperimentNotReady(str(error)) from error
        return self.respond(key)
