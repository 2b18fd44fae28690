"""REST endpoints of deliveries: which messages customers got, and why they did not get others."""

from typing import Any, ClassVar

import django_filters
from django.db.models import OuterRef, QuerySet, Subquery
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics

from config.foundation.rest.filters import MomentFilter, RangeFilterSet, WholeNumberFilter
from customers.identity.models import Identifier
from recommendations.messaging.models import TemplateVersion
from recommendations.sending.models import Delivery, DeliveryEvent
from recommendations.sending.rest.serializers import MAX_ID, DeliveryDetailSerializer, DeliverySerializer

MAX_EVENTS = 1000
MAX_BIGINT = 2**63 - 1


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": MAX_BIGINT})
class OriginIdFilter(WholeNumberFilter):
    """Filters by the ID of an origin."""


class DeliveryFilter(RangeFilterSet):
    ranges = (("queued_since", "queued_until"),)

    user_id = django_filters.CharFilter(
        method="filter_user", max_length=MAX_ID, help_text="Messages to the customer with this user ID."
    )
    origin_id = OriginIdFilter(
        min_value=0, max_value=MAX_BIGINT, help_text="With origin_kind: one run of a campaign, or one step of a flow."
    )
    queued_since = MomentFilter("queued_at", "gte", help_text="Queued at this time or later.")
    queued_until = MomentFilter("queued_at", "lt", help_text="Queued before this time.")

    class Meta:
        model = Delivery
        fields = ["user_id", "origin_kind", "origin_id", "channel", "status", "skip_reason"]

    def filter_user(self, queryset: QuerySet[Delivery], name: str, value: str) -> QuerySet[Delivery]:
        customers = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value=value).values("customer")
        return queryset.filter(customer_id__in=customers)


def annotate_deliveries(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Add the user ID of the customer and the key of the template."""
    user_ids = Identifier.objects.filter(customer=OuterRef("customer_id"), kind=Identifier.Kind.USER_ID).order_by("pk")
    versions = TemplateVersion.objects.filter(pk=OuterRef("template_version_id"))
    return deliveries.annotate(
        user_id=Subquery(user_ids.values("value")[:1]), template=Subquery(versions.values("template__key")[:1])
    )


@extend_schema_view(get=extend_schema(operation_id="deliveries_list", tags=["messages"]))
class DeliveryList(generics.ListAPIView[Delivery]):
    """Messages to customers and the skips with their reasons, newest first."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "messages:read"}
    queryset = annotate_deliveries(Delivery.objects.all())
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    ordering = "-id"


@extend_schema_view(get=extend_schema(operation_id="deliveries_retrieve", tags=["messages"]))
class DeliveryDetail(generics.RetrieveAPIView[Delivery]):
    """One message with its opens, clicks, bounces and other events."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "messages:read"}
    queryset = annotate_deliveries(Delivery.objects.all())
    serializer_class = DeliveryDetailSerializer

    def get_object(self) -> Any:
        delivery: Any = super().get_object()
        delivery.events = DeliveryEvent.objects.filter(delivery_id=delivery.pk).order_by("at", "pk")[:MAX_EVENTS]
        return delivery
