"""Export of products in the back office with django-import-export; the import wizard reads the file again."""

from typing import Any

from import_export import fields, resources, widgets

from catalog.models import Product
from catalog.rest.serializers import PRODUCT_FIELDS


class CategoryWidget(widgets.Widget):
    """A category as its path."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return value.path if value else ""


class TagsWidget(widgets.Widget):
    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "|".join(value or [])


class ProductResource(resources.ModelResource):
    """One product per row."""

    category = fields.Field(attribute="category", column_name="category", widget=CategoryWidget())
    tags = fields.Field(attribute="tags", column_name="tags", widget=TagsWidget())
    attributes = fields.Field(attribute="attributes", column_name="attributes", widget=widgets.JSONWidget())

    class Meta:
        model = Product
        fields = PRODUCT_FIELDS
        export_order = PRODUCT_FIELDS

    def get_queryset(self) -> Any:
        return super().get_queryset().select_related("category")

    def filter_export(self, queryset: Any, **kwargs: Any) -> Any:
        return queryset.select_related("category")
