"""The REST views of the catalogue."""

from typing import ClassVar

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.categories import annotate_product_counts
from catalog.models import Category, Product
from catalog.rest.filters import ProductFilter
from catalog.rest.serializers import (
    CategorySerializer,
    ProductSerializer,
    ProductsWriteSerializer,
    ProductsWrittenSerializer,
    VectorNameSerializer,
    VectorsWriteSerializer,
)
from catalog.upsert import upsert_products
from catalog.vectors import InvalidVectorNameError, list_vector_names, upsert_vectors


class ProductList(generics.ListAPIView):
    """Products, narrowed by the parameters; and the writing of many at once."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "catalog:read", "PUT": "catalog:write"}
    idempotent = True
    ordering = "product_id"
    queryset = Product.objects.select_related("category")
    serializer_class = ProductSerializer
    filterset_class = ProductFilter

    @extend_schema(
        operation_id="products_upsert",
        request=ProductsWriteSerializer,
        responses=ProductsWrittenSerializer,
        filters=False,
        parameters=[],
    )
    def put(self, request: Request) -> Response:
        """Creates or updates up to 1000 products. A wrong one is rejected alone; what doesn't differ isn't touched."""
        serializer = ProductsWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        result = upsert_products(
            items=serializer.validated_data["products"], at=timezone.now(), currency=settings.SHOP_CURRENCY
        )
        return Response(result.as_answer("product_id"))


class ProductVectors(APIView):
    """Vectors of products by any model, such as those of their images; the training makes products of near vectors alike."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "catalog:read", "POST": "catalog:write"}
    idempotent = True

    @extend_schema(operation_id="product_vectors", responses=VectorNameSerializer(many=True), tags=["products"])
    def get(self, request: Request) -> Response:
        """The names under which there are vectors, their dimension, and how many products have one."""
        return Response(VectorNameSerializer(list_vector_names(), many=True).data)

    @extend_schema(
        operation_id="product_vectors_upsert",
        request=VectorsWriteSerializer,
        responses=ProductsWrittenSerializer,
        tags=["products"],
    )
    def post(self, request: Request) -> Response:
        """Gives up to 1000 products a vector of one name. A wrong one is rejected alone; what doesn't differ isn't touched."""
        serializer = VectorsWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        items = [(one.get("product_id"), one.get("vector")) for one in given["vectors"]]
        try:
            result = upsert_vectors(name=given["name"], items=items, at=timezone.now())
        except InvalidVectorNameError as error:
            raise ValidationError({"name": error.message}, code=error.code) from error
        return Response(result.as_answer("product_id"))


class ProductDetail(generics.RetrieveAPIView):
    """One product by its outside id, which may contain slashes."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "catalog:read"}
    queryset = Product.objects.select_related("category")
    serializer_class = ProductSerializer
    lookup_field = "product_id"


class CategoryList(generics.ListAPIView):
    """All categories, each behind its parent."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "catalog:read"}
    ordering = "path"
    serializer_class = CategorySerializer
    filter_backends = ()

    def get_queryset(self) -> QuerySet[Category]:
        return annotate_product_counts(Category.objects.select_related("parent"))
