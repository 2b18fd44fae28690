"""REST: the audience of a product."""

import base64
import binascii
from typing import ClassVar

from django.http import Http404
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from catalog.models import Product
from config.foundation.rest.known_names import KnownFieldsMixin
from customers.identity.rest.masked_fields import MASKED_ID_HELP, MaskedIdField
from recommendations.serving.batch.audience import find_audience

MAX_LIMIT = 1000
ADDITIONAL_SCOPE = "recommendations:read"


def write_audience_cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode().rstrip("=")


class AudienceQuerySerializer(KnownFieldsMixin, serializers.Serializer):
    limit = serializers.IntegerField(required=False, default=100, min_value=1, max_value=MAX_LIMIT)
    cursor = serializers.CharField(
        required=False, default="", max_length=20, help_text="next_cursor of the previous page."
    )

    def validate_cursor(self, cursor: str) -> int:
        """Return the offset; 0 without a cursor."""
        if not cursor:
            return 0
        try:
            text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            text = ""
        if not text.isdigit():
            raise serializers.ValidationError(_("cursor is invalid; use next_cursor of the previous page."))
        return int(text)


class AudienceReasonSerializer(serializers.Serializer):
    code = serializers.CharField()
    text = serializers.CharField(source="reason", help_text="In the language requested by Accept-Language.")


class AudienceMemberSerializer(serializers.Serializer):
    customer_id = serializers.IntegerField()
    user_id = MaskedIdField(
        help_text=format_lazy("{} {}", "Empty for a visitor who has never logged in.", MASKED_ID_HELP)
    )
    score = serializers.FloatField(help_text="0 to 1, relative to the other customers.")
    reason = AudienceReasonSerializer(source="*")


class AudienceSerializer(serializers.Serializer):
    product_id = serializers.CharField()
    model_version = serializers.CharField(help_text="Empty without an active model.")
    known = serializers.BooleanField(
        help_text="Whether the model knows the product. A new product is known after the next training."
    )
    people = serializers.IntegerField(
        help_text="Number of customers on all pages, at most 10,000; 0 for a product without a price."
    )
    results = AudienceMemberSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    next = serializers.URLField(allow_null=True)


class AudienceView(APIView):
    """Returns the customers most likely to want a product, best first, each with the reason.

    Customers who were erased or refused personalization are excluded, as are past buyers if purchased products are not shown
    again. Also requires the scope recommendations:read.
    """

    required_scopes: ClassVar[dict[str, str]] = {"GET": "customers:read"}
    checks_parameters = True

    @extend_schema(
        operation_id="product_audience",
        parameters=[OpenApiParameter("product_id", str, OpenApiParameter.PATH), AudienceQuerySerializer],
        responses=AudienceSerializer,
        tags=["recommendations"],
    )
    def get(self, request: Request, product_id: str) -> Response:
        if ADDITIONAL_SCOPE not in getattr(request.auth, "scopes", ()):
            raise PermissionDenied(_("This endpoint requires the scope %(scope)s.") % {"scope": ADDITIONAL_SCOPE})
        query = AudienceQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        if not Product.objects.filter(product_id=product_id).exists():
            raise Http404
        offset, limit = query.validated_data["cursor"], query.validated_data["limit"]
        audience = find_audience(product_id=product_id, now=timezone.now())
        end = offset + limit
        next_cursor = write_audience_cursor(end) if end < len(audience.customers) else None
        page = {
            "product_id": audience.product_id,
            "model_version": audience.model_version,
            "known": audience.known,
            "people": len(audience.customers),
            "results": audience.customers[offset:end],
            "next_cursor": next_cursor,
            "next": replace_query_param(request.build_absolute_uri(), "cursor", next_cursor) if next_cursor else None,
        }
        return Response(AudienceSerializer(page, context={"request": request}).data)
