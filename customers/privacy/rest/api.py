"""REST: privacy requests, their receipts and files, and links to the self-service page."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import APIException, ErrorDetail, NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.foundation.audit_log import record_export
from config.foundation.test_mode.refusal import require_live_mode
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.masking import may_see_personal
from customers.identity.resolution.user_ids import find_customer
from customers.privacy.export.downloads import ExportExpiredError, open_download
from customers.privacy.models import IdentityProof, PrivacyRequest, RequestChannel, RequestKind, RequestState
from customers.privacy.requests.fulfillment import fulfill_request
from customers.privacy.requests.notices import queue_confirmation
from customers.privacy.requests.opening import NewRequest, open_request
from customers.privacy.requests.receipts import build_receipt
from customers.privacy.requests.workflow import RequestStateError, cancel_request
from customers.privacy.rest.serializers import (
    PrivacyLinkSerializer,
    PrivacyLinkWriteSerializer,
    PrivacyReceiptSerializer,
    PrivacyRequestSerializer,
    PrivacyRequestWriteSerializer,
)
from customers.privacy.self_service.links import (
    DATA,
    LIFETIME,
    AccessLink,
    build_data_url,
    find_customer_by_email,
    make_token,
)


class PrivacyRequestFilter(filters.FilterSet):
    kind = filters.ChoiceFilter(choices=RequestKind.choices)
    state = filters.ChoiceFilter(choices=RequestState.choices)

    class Meta:
        model = PrivacyRequest
        fields: ClassVar[list[str]] = ["kind", "state"]


class RequestConflict(APIException):
    status_code = 409
    default_code = "request_state"


@extend_schema_view(get=extend_schema(operation_id="privacy_requests_list"))
class PrivacyRequestList(generics.ListAPIView[PrivacyRequest]):
    """List privacy requests, the newest first, or open one."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "privacy:read", "POST": "privacy:write"}
    idempotent = True
    queryset = PrivacyRequest.objects.prefetch_related("exports")
    serializer_class = PrivacyRequestSerializer
    filterset_class = PrivacyRequestFilter
    ordering = "-id"

    @extend_schema(
        operation_id="privacy_requests_open",
        request=PrivacyRequestWriteSerializer,
        responses={200: PrivacyRequestSerializer, 201: PrivacyRequestSerializer},
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Open a request. Objections and restrictions take effect immediately; files and erasures follow in the background.

        The status is 201 for a new request, and 200 if the customer already has an open request of the same kind.
        """
        body = PrivacyRequestWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        opened, is_new = open_from_body(body.validated_data, now=timezone.now())
        return Response(PrivacyRequestSerializer(opened).data, status=201 if is_new else 200)


def open_from_body(values: dict[str, Any], *, now: datetime) -> tuple[PrivacyRequest, bool]:
    """Open the request of a valid body, and do what it asks if the caller vouches for the customer."""
    customer = find_requester(values)
    waits = values["verify_email"]
    with transaction.atomic():
        opened, is_new = open_request(
            NewRequest(
                kind=values["kind"],
                channel=RequestChannel.REST,
                customer=customer,
                email=values.get("email") or (customer.email if customer is not None else ""),
                language=values.get("language") or get_language() or "",
                regulation=values.get("regulation", ""),
                proof=IdentityProof.NONE if waits or customer is None else IdentityProof.SHOP_ACCOUNT,
                proposal=values["changes"],
                waits_for_email=waits,
            ),
            now=now,
        )
        if is_new and waits:
            queue_confirmation(opened)
        elif is_new:
            opened = fulfill_request(opened, now=now)
    return opened, is_new


def find_requester(values: dict[str, Any]) -> Customer | None:
    """Return the customer of a body. An unknown user ID is an error; an unknown address has no customer (None)."""
    if values.get("user_id"):
        return get_customer_or_error(values["user_id"])
    return find_customer_by_email(values["email"])


def get_customer_or_error(user_id: str) -> Customer:
    customer = None if "\0" in user_id else find_customer(Identifier.Kind.USER_ID, user_id)
    if customer is None or customer.erased_at is not None:
        raise ValidationError({"user_id": [ErrorDetail(_("No customer has this user ID."), "does_not_exist")]})
    return customer


@extend_schema_view(get=extend_schema(operation_id="privacy_requests_retrieve"))
class PrivacyRequestDetail(generics.RetrieveAPIView[PrivacyRequest]):
    """One privacy request by its reference."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "privacy:read"}
    queryset = PrivacyRequest.objects.prefetch_related("exports")
    serializer_class = PrivacyRequestSerializer
    lookup_field = "reference"


class PrivacyRequestReceipt(APIView):
    """What was asked, done and when, without personal data; it can be kept as a proof."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "privacy:read"}

    @extend_schema(operation_id="privacy_requests_receipt", responses=PrivacyReceiptSerializer)
    def get(self, request: Request, reference: UUID) -> Response:
        found = get_object_or_404(PrivacyRequest, reference=reference)
        return Response(PrivacyReceiptSerializer(build_receipt(found)).data)


class PrivacyRequestCancel(APIView):
    """Withdraw an open request; an erasure can be withdrawn until it begins."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "privacy:write"}
    methods_without_body: ClassVar[tuple[str, ...]] = ("POST",)
    idempotent = True
    conflicts = ("POST",)

    @extend_schema(operation_id="privacy_requests_cancel", request=None, responses=PrivacyRequestSerializer)
    def post(self, request: Request, reference: UUID) -> Response:
        found = get_object_or_404(PrivacyRequest, reference=reference)
        try:
            cancel_request(found, at=timezone.now())
        except RequestStateError as error:
            raise RequestConflict(str(error)) from error
        found.refresh_from_db()
        return Response(PrivacyRequestSerializer(found).data)


class PrivacyRequestFile(APIView):
    """The zip file of an access request. It requires the scope customers:personal, too, and counts as a download."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "privacy:write"}

    @extend_schema(
        operation_id="privacy_requests_file",
        responses={(200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY)},
    )
    def get(self, request: Request, reference: UUID) -> HttpResponseBase:
        if not may_see_personal(request):
            raise PermissionDenied(
                _("The file contains personal data, so the scope customers:personal is also required.")
            )
        found = get_object_or_404(PrivacyRequest, reference=reference)
        export = found.exports.filter(deleted_at=None).first()
        if export is None:
            raise NotFound(_("This request has no file, or it has expired."))
        record_export(
            model=Customer, pks=[found.customer_id] if found.customer_id else [], details={"request": found.number}
        )
        try:
            content = open_download(export, now=timezone.now())
        except ExportExpiredError as error:
            raise NotFound(_("This request has no file, or it has expired.")) from error
        return StreamingHttpResponse(
            content,
            content_type="application/zip",
            headers={"Content-Disposition": 'attachment; filename="personal-data.zip"'},
        )


class PrivacyLinkView(APIView):
    """Make a link to the self-service page for a customer who is logged in at the shop."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "privacy:write"}

    @extend_schema(
        operation_id="privacy_links_make",
        request=PrivacyLinkWriteSerializer,
        responses={201: PrivacyLinkSerializer},
    )
    def post(self, request: Request) -> Response:
        """Return a link that is valid for a day. Anyone with the link sees the customer's data: give it to the logged-in customer only."""
        body = PrivacyLinkWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        require_live_mode()
        now = timezone.now()
        customer = get_customer_or_error(body.validated_data["user_id"])
        language = body.validated_data.get("language") or customer.language or get_language() or "en"
        link = AccessLink(purpose=DATA, language=language, issued_at=now, customer_id=customer.pk)
        return Response({"url": build_data_url(make_token(link)), "expires_at": now + LIFETIME}, status=201)
