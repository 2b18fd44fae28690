"""REST endpoints of campaigns: definition, preview and audience."""

from typing import Any, ClassVar

from django.db import transaction
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics, status
from rest_framework.exceptions import APIException
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from customers.identity.personal_data.masking import may_see_personal
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.campaigns.audience import preview_audience
from recommendations.campaigns.exports import stream_audience
from recommendations.campaigns.launch import transitions
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.rest.serializers import AudiencePreviewSerializer, CampaignSerializer


class InvalidSegmentError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = gettext_lazy("The campaign's segment is not valid.")
    default_code = "invalid_segment"


class CsvRenderer(BaseRenderer):
    """Declares the media type; the response is streamed, not rendered."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        return JSONRenderer().render(data, accepted_media_type, renderer_context)


@extend_schema_view(
    get=extend_schema(operation_id="campaigns_list"),
    post=extend_schema(operation_id="campaigns_create", description=gettext_lazy("Create a campaign as a draft.")),
)
class CampaignList(generics.ListCreateAPIView[Campaign]):
    """All campaigns by key."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read", "POST": "campaigns:write"}
    idempotent = True
    queryset = (
        Campaign.objects.with_shown_status()
        .select_related("segment", "template", "test_template")
        .prefetch_related("excluded_segments")
    )
    serializer_class = CampaignSerializer
    ordering = "key"


@extend_schema_view(
    get=extend_schema(operation_id="campaigns_retrieve"),
    patch=extend_schema(
        operation_id="campaigns_change",
        description=gettext_lazy(
            "Change the given fields of the campaign. Channel, segment, holdout share and consent cannot be changed after its launch."
        ),
    ),
)
class CampaignDetail(generics.RetrieveUpdateAPIView[Campaign]):
    """One campaign."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read", "PATCH": "campaigns:write"}
    queryset = (
        Campaign.objects.with_shown_status()
        .select_related("segment", "template", "test_template")
        .prefetch_related("excluded_segments")
    )
    serializer_class = CampaignSerializer
    lookup_field = "key"
    http_method_names = ("get", "patch", "head", "options")

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            # a run that starts meanwhile would be overwritten
            Campaign.objects.select_for_update().filter(key=self.kwargs["key"]).first()
            return super().update(request, *args, **kwargs)

    def perform_update(self, serializer: BaseSerializer[Campaign]) -> None:
        transitions.plan_after_edit(serializer.save(), now=timezone.now())


class CampaignView(APIView):
    """Base of views below one campaign."""

    @cached_property
    def campaign(self) -> Campaign:
        return get_object_or_404(
            Campaign.objects.select_related("segment", "template", "test_template"), key=self.kwargs["key"]
        )


class CampaignPreview(CampaignView):
    """The current size of the audience at each step, and the minimum detectable effect."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "campaigns:read"}
    conflicts = ("POST",)
    methods_without_body = ("POST",)

    @extend_schema(operation_id="campaigns_preview", request=None, responses=AudiencePreviewSerializer)
    def post(self, request: Request, key: str) -> Response:
        try:
            preview = preview_audience(campaign=self.campaign, as_of=timezone.now())
        except ConditionError as error:
            raise InvalidSegmentError(_("The segment is not valid: %(reason)s") % {"reason": error}) from error
        return Response(AudiencePreviewSerializer(preview).data)


class CampaignAudience(CampaignView):
    """The current audience as CSV, without the holdout group. Every call is recorded.

    A user ID that is an email address or a phone number is `•••` if the key lacks the scope `customers:personal`.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:write"}
    conflicts = ("GET",)
    renderer_classes = (CsvRenderer, JSONRenderer)

    @extend_schema(
        operation_id="campaigns_audience",
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="user_id, stage, rfm_group, …")},
    )
    def get(self, request: Request, key: str) -> StreamingHttpResponse:
        by = getattr(request.auth, "name", "") or str(request.user or "")
        try:
            lines = stream_audience(
                campaign=self.campaign, as_of=timezone.now(), by=by, with_personal=may_see_personal(request)
            )
        except ConditionError as error:
            raise InvalidSegmentError(_("The segment is not valid: %(reason)s") % {"reason": error}) from error
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{self.campaign.key}.csv"'
        return response
