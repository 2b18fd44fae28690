"""REST endpoints that change the state of campaigns, and those of what was sent."""

from typing import ClassVar

from django.contrib.auth.models import User
from django.db.models import OuterRef, QuerySet, Subquery
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import cached_property
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from customers.identity.models import Identifier
from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.campaigns.launch import transitions
from recommendations.campaigns.launch.readiness import LaunchError
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.rest.api import CampaignView
from recommendations.campaigns.rest.serializers import (
    CampaignDeliverySerializer,
    CampaignResultsSerializer,
    CampaignRunSerializer,
    CampaignSerializer,
)
from recommendations.campaigns.results.headline import describe_results
from recommendations.campaigns.results.summary import compute_results
from recommendations.sending.models import Delivery


class CampaignStateError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "invalid_state"


class StateChange(CampaignView):
    """Base of the endpoints that change the state. The response is the campaign afterwards."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "campaigns:write"}
    conflicts = ("POST",)
    methods_without_body = ("POST",)
    idempotent = True

    def change(self, campaign: Campaign, request: Request) -> None:
        raise NotImplementedError

    def respond(self, request: Request) -> Response:
        try:
            self.change(self.campaign, request)
        except LaunchError as error:
            if [problem.field for problem in error.problems] == ["status"]:
                raise CampaignStateError(str(error)) from error
            raise ValidationError({problem.field: problem.message for problem in error.problems}) from error
        return Response(CampaignSerializer(self.campaign, context={"request": request}).data)


class CampaignLaunch(StateChange):
    """Schedule a draft. If the shop requires approval, the status is then waiting_for_approval.

    A campaign that is due now is then running. With a large audience, it stays scheduled until its messages are queued in the background.
    """

    @extend_schema(operation_id="campaigns_launch", request=None, responses=CampaignSerializer)
    def post(self, request: Request, key: str) -> Response:
        return self.respond(request)

    def change(self, campaign: Campaign, request: Request) -> None:
        user = request.user if isinstance(request.user, User) else None
        transitions.launch(campaign, by=user, now=timezone.now())


class CampaignPause(StateChange):
    """Stop sending immediately; what is waiting is sent after the campaign is resumed."""

    @extend_schema(operation_id="campaigns_pause", request=None, responses=CampaignSerializer)
    def post(self, request: Request, key: str) -> Response:
        return self.respond(request)

    def change(self, campaign: Campaign, request: Request) -> None:
        transitions.pause(campaign)


class CampaignResume(StateChange):
    """Continue to send a paused campaign."""

    @extend_schema(operation_id="campaigns_resume", request=None, responses=CampaignSerializer)
    def post(self, request: Request, key: str) -> Response:
        return self.respond(request)

    def change(self, campaign: Campaign, request: Request) -> None:
        transitions.resume(campaign, now=timezone.now())


class CampaignCancel(StateChange):
    """Stop for good; what is waiting is not sent."""

    @extend_schema(operation_id="campaigns_cancel", request=None, responses=CampaignSerializer)
    def post(self, request: Request, key: str) -> Response:
        return self.respond(request)

    def change(self, campaign: Campaign, request: Request) -> None:
        transitions.cancel(campaign, now=timezone.now())


class CampaignResultsView(CampaignView):
    """What the campaign caused, and what happened to its messages."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read"}

    @extend_schema(operation_id="campaigns_results", responses=CampaignResultsSerializer)
    def get(self, request: Request, key: str) -> Response:
        results = compute_results(self.campaign, as_of=timezone.now())
        currency = get_amount_currency()
        values = {
            **vars(results.comparison),
            "runs": results.runs,
            "currency": currency,
            "headline": describe_results(self.campaign, results, currency),
            "deliveries": results.deliveries,
            "recommended": results.recommended,
            "audience": results.audience,
            "test": results.test,
        }
        return Response(CampaignResultsSerializer(values).data)


@extend_schema_view(get=extend_schema(operation_id="campaigns_runs"))
class CampaignRuns(generics.ListAPIView[CampaignRun]):
    """The runs of a campaign, newest first."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read"}
    serializer_class = CampaignRunSerializer
    queryset = CampaignRun.objects.none()
    ordering = ("-number",)

    def get_queryset(self) -> QuerySet[CampaignRun]:
        if getattr(self, "swagger_fake_view", False):
            return CampaignRun.objects.none()
        campaign = get_object_or_404(Campaign, key=self.kwargs["key"])
        return campaign.runs.select_related("template_version")


@extend_schema_view(get=extend_schema(operation_id="campaigns_deliveries"))
class CampaignDeliveries(generics.ListAPIView[Delivery]):
    """Everyone in the segment when a run started: the messages, and the skips with their reasons."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read"}
    serializer_class = CampaignDeliverySerializer
    queryset = Delivery.objects.none()
    ordering = ("origin_id", "id")  # by run; an index has this order

    @cached_property
    def run_numbers(self) -> dict[int, int]:
        campaign = get_object_or_404(Campaign, key=self.kwargs["key"])
        return dict(campaign.runs.values_list("pk", "number"))

    def get_queryset(self) -> QuerySet[Delivery]:
        if getattr(self, "swagger_fake_view", False):
            return Delivery.objects.none()
        user_ids = Identifier.objects.filter(customer=OuterRef("customer_id"), kind=Identifier.Kind.USER_ID).order_by(
            "pk"
        )
        return Delivery.objects.filter(origin_kind="campaign", origin_id__in=list(self.run_numbers)).annotate(
            user_id=Subquery(user_ids.values("value")[:1])
        )
