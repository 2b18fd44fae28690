"""REST endpoints of demand: the restock list and the forecasts of products."""

from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics

from customers.demand.models import DemandForecast, RestockItem
from customers.demand.rest.serializers import ProductDemandSerializer, RestockItemSerializer
from customers.demand.restock_list import SOON_DAYS


class RestockFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(
        choices=[("now", "now"), ("soon", "soon")],
        method="filter_state",
        label="`now`: to order now. `soon`: to order within a week. By default all products with tracked stock.",
    )

    class Meta:
        model = RestockItem
        fields: list[str] = []

    def filter_state(self, items: QuerySet[RestockItem], name: str, value: str) -> QuerySet[RestockItem]:
        if value == "now":
            return items.filter(order_quantity__gt=0)
        return items.filter(order_quantity=0, days_left__lte=SOON_DAYS)


@extend_schema_view(get=extend_schema(operation_id="restock_list"))
class RestockList(generics.ListAPIView):
    """When to order which product, and how much; computed every night for products with tracked stock."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "demand:read"}
    ordering = "product_id"
    queryset = RestockItem.objects.select_related("product")
    serializer_class = RestockItemSerializer
    filterset_class = RestockFilter


class ForecastFilter(django_filters.FilterSet):
    product_id = django_filters.CharFilter(field_name="product__product_id")

    class Meta:
        model = DemandForecast
        fields: list[str] = []


@extend_schema_view(get=extend_schema(operation_id="demand_forecasts"))
class ForecastList(generics.ListAPIView):
    """The expected demand of products in the next 28 days, in units per day, with 80% intervals."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "demand:read"}
    ordering = "id"
    queryset = DemandForecast.objects.exclude(product=None).select_related("product")
    serializer_class = ProductDemandSerializer
    filterset_class = ForecastFilter
