"""REST endpoints of the suppression list."""

from typing import Any, ClassVar

import django_filters
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.foundation.rest.filters import MomentFilter
from recommendations.sending.models import Suppression
from recommendations.sending.rest.serializers import (
    AddressesSerializer,
    AddressResultsSerializer,
    SuppressionSerializer,
    SuppressionsWriteSerializer,
)
from recommendations.sending.suppressions.suppression_list import ParsedAddress, parse_line, suppress_new, unsuppress


class SuppressionFilter(django_filters.FilterSet):
    added_since = MomentFilter("added_at", "gte", help_text="Added at this time or later.")

    class Meta:
        model = Suppression
        fields = ["kind", "reason"]


@extend_schema_view(get=extend_schema(operation_id="suppressions_list", tags=["messages"]))
class SuppressionEntries(generics.ListAPIView[Suppression]):
    """Addresses that get no messages, latest first. They are stored as keyed hashes, so the list does not show them."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "messages:read", "POST": "messages:write"}
    idempotent = True
    queryset = Suppression.objects.all()
    serializer_class = SuppressionSerializer
    filterset_class = SuppressionFilter
    ordering = ("-added_at", "-id")

    @extend_schema(
        operation_id="suppressions_add",
        request=SuppressionsWriteSerializer,
        responses=AddressResultsSerializer,
        filters=False,
        tags=["messages"],
    )
    def post(self, request: Request) -> Response:
        """Add up to 1000 addresses. A listed address keeps its reason; a text that is not an address is rejected without affecting the others."""
        body = SuppressionsWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        values = body.validated_data
        parsed = [parse_line(text) for text in values["addresses"]]
        added = suppress_new(
            [address for address in parsed if address is not None],
            reason=values["reason"],
            source=values["source"] or getattr(request.auth, "name", "") or str(request.user or ""),
            at=timezone.now(),
        )
        return Response(build_results(parsed, changed=added, status="added"))


class SuppressionRemoval(APIView):
    """Remove up to 1000 addresses from the list. Messages to them still need the customer's consent."""

    required_scopes: ClassVar[dict[str, str]] = {"POST": "messages:write"}
    idempotent = True

    @extend_schema(
        operation_id="suppressions_remove",
        request=AddressesSerializer,
        responses=AddressResultsSerializer,
        tags=["messages"],
    )
    def post(self, request: Request) -> Response:
        body = AddressesSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        parsed = [parse_line(text) for text in body.validated_data["addresses"]]
        removed = unsuppress([address for address in parsed if address is not None])
        return Response(build_results(parsed, changed=removed, status="removed"))


def build_results(parsed: list[ParsedAddress | None], *, changed: set[ParsedAddress], status: str) -> dict[str, Any]:
    """Return the body of a response; an address that is sent twice is changed once."""
    open_changes, statuses = set(changed), []
    for address in parsed:
        if address is None:
            statuses.append("rejected")
        elif address in open_changes:
            open_changes.remove(address)
            statuses.append(status)
        else:
            statuses.append("unchanged")
    return {
        "changed": len(changed),
        "unchanged": statuses.count("unchanged"),
        "rejected": statuses.count("rejected"),
        "results": [
            {"index": index, "status": text, "errors": build_errors(index) if text == "rejected" else []}
            for index, text in enumerate(statuses)
        ],
    }


def build_errors(index: int) -> list[dict[str, str]]:
    """Return why an address was rejected, without repeating it."""
    message = _(
        "Not an email address, a phone number of 6 to 15 digits, or a hash of an exported list. Correct it and send it again."
    )
    return [{"field": f"addresses[{index}]", "code": "invalid", "message": message}]
