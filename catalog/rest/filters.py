"""Query parameters that filter the list of products."""

import django_filters
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

from catalog.categories import clean_path
from catalog.field_cleaning import InvalidValueError
from catalog.models import Availability, Product
from catalog.querysets import ProductQuerySet
from config.foundation.rest.filters import FlagFilter, MomentFilter, PriceFilter, RangeFilterSet


class ProductFilter(RangeFilterSet):
    ranges = (("price_min", "price_max"),)

    category = django_filters.CharFilter(
        method="filter_category", help_text=_("A path such as “Kitchen > Kettles”; includes all categories below it.")
    )
    parent_id = django_filters.CharFilter(field_name="parent_id", help_text=_("The exact product group."))
    sku = django_filters.CharFilter(field_name="sku", help_text=_("The exact SKU."))
    brand = django_filters.CharFilter(field_name="brand", help_text=_("The exact brand."))
    availability = django_filters.ChoiceFilter(choices=Availability.choices)
    is_active = FlagFilter()
    is_draft = FlagFilter(help_text=_("Drafts are created from event data and are never shown."))
    price_min = PriceFilter(field_name="price", lookup_expr="gte")
    price_max = PriceFilter(field_name="price", lookup_expr="lte")
    updated_after = MomentFilter(field_name="updated_at", lookup_expr="gt")
    q = django_filters.CharFilter(
        field_name="title", lookup_expr="istartswith", help_text=_("The start of the title; case-insensitive.")
    )

    class Meta:
        model = Product
        fields: list[str] = []

    def filter_category(self, queryset: ProductQuerySet, name: str, value: str) -> ProductQuerySet:
        try:
            return queryset.in_category(clean_path(value))
        except InvalidValueError as error:
            raise ValidationError({name: [error.message]}) from error
