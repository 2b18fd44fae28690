"""REST endpoints of message templates."""

from typing import ClassVar

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommendations.messaging.models import MessageTemplate
from recommendations.messaging.rest.serializers import MessageTemplateSerializer
from recommendations.messaging.versions import PublishError, publish_draft


class NotPublishableError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = gettext_lazy("The draft cannot be published.")
    default_code = "not_publishable"


@extend_schema_view(
    get=extend_schema(operation_id="message_templates_list"),
    post=extend_schema(
        operation_id="message_templates_create", description=gettext_lazy("Create a message template as a draft.")
    ),
)
class MessageTemplateList(generics.ListCreateAPIView[MessageTemplate]):
    """All message templates by key."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read", "POST": "campaigns:write"}
    idempotent = True
    queryset = MessageTemplate.objects.filter(archived_at__isnull=True).prefetch_related("versions__contents")
    serializer_class = MessageTemplateSerializer
    ordering = "key"


@extend_schema_view(get=extend_schema(operation_id="message_templates_retrieve"))
class MessageTemplateDetail(generics.RetrieveAPIView[MessageTemplate]):
    """One message template with the contents of its newest version."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "campaigns:read"}
    queryset = MessageTemplate.objects.prefetch_related("versions__contents")
    serializer_class = MessageTemplateSerializer
    lookup_field = "key"


class MessageTemplatePublish(APIView):
    """Publish the draft of a template. New sends use it; sends that have started keep their version."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "campaigns:write"}
    idempotent = True
    conflicts = ("POST",)
    methods_without_body = ("POST",)

    @extend_schema(operation_id="message_templates_publish", request=None, responses=MessageTemplateSerializer)
    def post(self, request: Request, key: str) -> Response:
        template = get_object_or_404(MessageTemplate, key=key)
        try:
            publish_draft(template=template, now=timezone.now())
        except PublishError as error:
            raise NotPublishableError(str(error)) from error
        return Response(MessageTemplateSerializer(template, context={"request": request}).data)
