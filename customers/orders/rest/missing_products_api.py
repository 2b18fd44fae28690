"""REST endpoint of the products that events name and the catalog lacks."""

from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.foundation.rest.known_names import KnownFieldsMixin
from customers.orders.missing_products import (
    DEFAULT_DAYS,
    DEFAULT_LIMIT,
    MAX_DAYS,
    MAX_LIMIT,
    find_missing_products,
)


class MissingProductsQuerySerializer(KnownFieldsMixin, serializers.Serializer[Any]):
    days = serializers.IntegerField(
        min_value=1, max_value=MAX_DAYS, default=DEFAULT_DAYS, help_text="Number of days to look back."
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="Number of products."
    )


class MissingProductSerializer(serializers.Serializer[Any]):
    product_id = serializers.CharField()
    events = serializers.IntegerField(help_text="Number of events that name the product.")
    orders = serializers.IntegerField(help_text="Number of orders that contain the product as a draft.")
    last_seen_at = serializers.DateTimeField()
    name = serializers.CharField(help_text="Name that an event reports; may be empty or wrong.")
    url = serializers.CharField(help_text="URL that an event reports, without its query; may be empty or wrong.")
    is_draft = serializers.BooleanField(help_text="Whether the catalog has a draft of the product.")


class MissingProductsSerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField()
    results = MissingProductSerializer(many=True)


class MissingProductsView(APIView):
    """Products that events or orders name but the catalog lacks, most frequent first. Drafts are listed until they are activated."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "catalog:read"}
    checks_parameters = True

    @extend_schema(
        operation_id="products_missing",
        parameters=[MissingProductsQuerySerializer],
        responses=MissingProductsSerializer,
        tags=["products"],
    )
    def get(self, request: Request) -> Response:
        query = MissingProductsQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        since = timezone.now() - timedelta(days=query.validated_data["days"])
        found = find_missing_products(since=since, limit=query.validated_data["limit"])
        return Response(MissingProductsSerializer({"since": since, "results": found}).data)
