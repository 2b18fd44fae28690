"""JSON of products, product vectors and categories."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.bulk_results import ItemStatus
from catalog.models import Availability, Category, Product
from catalog.upsert import MAX_DESCRIPTION
from config.foundation.rest.known_names import KnownFieldsMixin
from config.foundation.rest.strict_types import StrictTypesMixin

MAX_ITEMS = 1000
PRODUCT_FIELDS = (
    "product_id",
    "parent_id",
    "sku",
    "title",
    "description",
    "category",
    "brand",
    "price",
    "currency",
    "cost",
    "availability",
    "stock",
    "image_url",
    "url",
    "attributes",
    "tags",
    "published_at",
    "is_active",
)


@extend_schema_field(OpenApiTypes.OBJECT)
class ObjectField(serializers.JSONField):
    """A JSON object."""


class CategorySerializer(serializers.ModelSerializer):
    parent: Any = serializers.SlugRelatedField(
        slug_field="path",
        read_only=True,
        allow_null=True,
        help_text=_("Path of the parent category; null at the root."),
    )
    product_count = serializers.IntegerField(
        help_text=_("Active products in this category, without its subcategories.")
    )

    class Meta:
        model = Category
        fields = ("path", "name", "slug", "parent", "product_count")


class ProductSerializer(serializers.ModelSerializer):
    category: Any = serializers.SlugRelatedField(
        slug_field="path", read_only=True, allow_null=True, help_text=_("Path such as “Kitchen > Kettles”.")
    )
    attributes = ObjectField()

    class Meta:
        model = Product
        fields = (*PRODUCT_FIELDS, "is_draft", "created_at", "updated_at")


class ProductChangeSerializer(KnownFieldsMixin, serializers.Serializer):
    """Fields of a product to change. A missing field keeps its value; null clears it.

    This serializer only documents the fields: `update_product` validates them with the rules of `upsert_products`.
    """

    parent_id = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text=_("The same ID for all variants of a product, such as sizes or colors."),
    )
    sku = serializers.CharField(max_length=200, required=False, allow_blank=True, allow_null=True)
    title = serializers.CharField(max_length=500, required=False, help_text=_("Required for a new product."))
    description = serializers.CharField(max_length=MAX_DESCRIPTION, required=False, allow_blank=True, allow_null=True)
    category = serializers.CharField(
        max_length=1000,
        required=False,
        allow_blank=True,
        allow_null=True,
        help_text=_("Path such as “Kitchen > Kettles”; missing categories are created."),
    )
    brand = serializers.CharField(max_length=200, required=False, allow_blank=True, allow_null=True)
    price = serializers.DecimalField(max_digits=14, decimal_places=2, min_value=0, required=False, allow_null=True)
    currency = serializers.CharField(
        max_length=3, required=False, allow_null=True, help_text=_("ISO 4217 code; defaults to the shop's currency.")
    )
    cost = serializers.DecimalField(
        max_digits=14,
        decimal_places=2,
        min_value=0,
        required=False,
        allow_null=True,
        help_text=_("Purchase cost, in the currency of the price."),
    )
    availability = serializers.ChoiceField(choices=Availability.choices, required=False, allow_null=True)
    stock = serializers.IntegerField(required=False, allow_null=True)
    image_url = serializers.URLField(max_length=2000, required=False, allow_blank=True, allow_null=True)
    url = serializers.URLField(max_length=2000, required=False, allow_blank=True, allow_null=True)
    attributes = ObjectField(required=False, allow_null=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=100), required=False, allow_null=True)
    published_at = serializers.DateTimeField(required=False, allow_null=True)
    is_active = serializers.BooleanField(required=False)


class ProductItemSerializer(ProductChangeSerializer):
    """One product to create or update. A missing field keeps its value; null clears it.

    This serializer only documents the fields: `upsert_products` validates each product, so that an invalid one is
    rejected without affecting the others.
    """

    product_id = serializers.CharField(max_length=200)

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        return {"product_id": fields.pop("product_id"), **fields}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(_("Each product must be a JSON object."))
        return data


class ProductsWriteSerializer(StrictTypesMixin, serializers.Serializer):
    products = ProductItemSerializer(many=True, max_length=MAX_ITEMS)  # type: ignore[call-arg]


class VectorItemSerializer(serializers.Serializer):
    """The vector of one product. This serializer only documents the fields: `upsert_vectors` validates them."""

    product_id = serializers.CharField(max_length=200)
    vector = serializers.ListField(
        child=serializers.FloatField(), help_text=_("All vectors with the same name must have the same dimension.")
    )

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(_("Each product must be a JSON object."))
        return data


class VectorsWriteSerializer(StrictTypesMixin, serializers.Serializer):
    name = serializers.CharField(max_length=50, help_text=_("What the vector represents, such as image."))
    vectors = VectorItemSerializer(many=True, max_length=MAX_ITEMS)  # type: ignore[call-arg]


class VectorNameSerializer(serializers.Serializer):
    name = serializers.CharField()
    dimension = serializers.IntegerField()
    products = serializers.IntegerField(help_text=_("Number of products with this vector."))
    updated_at = serializers.DateTimeField()


class ItemErrorSerializer(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class ProductResultSerializer(serializers.Serializer):
    index = serializers.IntegerField()
    product_id = serializers.CharField()
    status = serializers.ChoiceField(choices=[(status.value, status.value) for status in ItemStatus])
    errors = ItemErrorSerializer(many=True)  # type: ignore[assignment]


class ProductsWrittenSerializer(serializers.Serializer):
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = ProductResultSerializer(many=True)


class ProductsUpsertedSerializer(ProductsWrittenSerializer):
    inactive = serializers.IntegerField(
        help_text=_("Products that are inactive and stay hidden, because is_active is missing.")
    )
