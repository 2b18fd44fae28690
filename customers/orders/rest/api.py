"""REST endpoints of orders."""

from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.rest.filters import MomentFilter, RangeFilterSet
from config.foundation.shop.profile import get_shop
from customers.events.models import Source
from customers.events.rest.source_filter import SourceFilter
from customers.identity.models import Identifier
from customers.orders.models import Order
from customers.orders.rest.serializers import (
    OrderDetailSerializer,
    OrderSerializer,
    OrdersWriteSerializer,
    OrdersWrittenSerializer,
)
from customers.orders.sources import describe_wrong_source
from customers.orders.upsert import upsert_orders


class ImportRunningError(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = gettext_lazy("Orders of this source are being imported; try again after the import.")
    default_code = "import_under_way"


class OrderFilter(RangeFilterSet):
    ranges = (("placed_after", "placed_before"),)

    source = SourceFilter(help_text=gettext_lazy("Key of the shop system."))
    user_id = django_filters.CharFilter(method="filter_user", help_text=gettext_lazy("The customer's user ID."))
    status = django_filters.ChoiceFilter(choices=Order.Status.choices)
    kind = django_filters.ChoiceFilter(choices=Order.Kind.choices)
    placed_after = MomentFilter("placed_at", "gte", help_text=gettext_lazy("At or after this time."))
    placed_before = MomentFilter("placed_at", "lt", help_text=gettext_lazy("Before this time."))

    class Meta:
        model = Order
        fields: list[str] = []

    def filter_user(self, queryset: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        owner = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value=value).values("customer_id")
        return queryset.filter(customer_id__in=owner)


class OrderList(generics.ListAPIView):
    """Orders, latest first."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "orders:read", "POST": "orders:write"}
    idempotent = True
    ordering = ("-placed_at", "-id")
    queryset = Order.objects.select_related("source", "customer").prefetch_related("customer__identifiers")
    serializer_class = OrderSerializer
    filterset_class = OrderFilter

    @extend_schema(
        operation_id="orders_upsert",
        request=OrdersWriteSerializer,
        responses=OrdersWrittenSerializer,
        filters=False,
        parameters=[],
    )
    def post(self, request: Request) -> Response:
        """Create or replace up to 1000 orders. An invalid order is rejected alone; an unchanged one is left untouched."""
        serializer = OrdersWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        key = serializer.validated_data["source"]
        source, _created = Source.objects.get_or_create(key=key, defaults={"name": key, "kind": Source.Kind.SERVER})
        if reason := describe_wrong_source(source):
            raise ValidationError({"source": [reason]})
        try:
            result = upsert_orders(
                items=serializer.validated_data["orders"],
                source=source,
                at=timezone.now(),
                currency=get_shop().currency,
                is_exact=True,
            )
        except AlreadyRunningError as error:
            raise ImportRunningError from error
        return Response(result.build_response("order_id"))


class OrderDetail(generics.RetrieveAPIView):
    """One order with its lines, by the shop's order ID, which may contain slashes."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "orders:read"}
    queryset = Order.objects.select_related("source", "customer").prefetch_related(
        "customer__identifiers", "lines__product"
    )
    serializer_class = OrderDetailSerializer
    filter_backends = ()
    query_parameters = ("source",)
    lookup_field = "order_id"

    def get_queryset(self) -> QuerySet[Order]:
        queryset = super().get_queryset()
        if key := self.request.query_params.get("source"):
            return queryset.filter(source__key=key)
        keys = list(queryset.filter(order_id=self.kwargs["order_id"]).values_list("source__key", flat=True)[:10])
        if len(keys) > 1:
            message = _("Several sources have an order with this ID; set source to one of: %(keys)s.") % {
                "keys": ", ".join(keys)
            }
            raise ValidationError({"source": [message]})
        return queryset

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "source",
                OpenApiTypes.STR,
                description="Key of the shop system; required if several have an order with this ID.",
            )
        ]
    )
    def get(self, request: Request, *args: object, **kwargs: object) -> Response:
        return super().get(request, *args, **kwargs)
