"""REST endpoints of products, product vectors and categories."""

from collections.abc import Mapping
from typing import ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.bulk_results import build_field_errors
from catalog.categories import annotate_product_counts
from catalog.models import Category, Product
from catalog.rest.filters import ProductFilter
from catalog.rest.serializers import (
    CategorySerializer,
    ProductChangeSerializer,
    ProductSerializer,
    ProductsUpsertedSerializer,
    ProductsWriteSerializer,
    ProductsWrittenSerializer,
    VectorNameSerializer,
    VectorsWriteSerializer,
)
from catalog.upsert import deactivate_product, update_product, upsert_products
from catalog.vectors import FIELDS, InvalidVectorNameError, list_vector_names, upsert_vectors
from config.foundation.rest.known_names import PAGINATION_PARAMETERS
from config.foundation.rest.preconditions import require_match
from config.foundation.shop.profile import get_shop

RESERVED_IDS = ("missing", "vectors")  # the URL of such a product is another endpoint


class ProductList(generics.ListAPIView):
    """Lists products with filters; creates and updates many products at once."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "catalog:read", "PUT": "catalog:write"}
    idempotent = True
    ordering = "product_id"
    queryset = Product.objects.select_related("category")
    serializer_class = ProductSerializer
    filterset_class = ProductFilter

    @extend_schema(
        operation_id="products_upsert",
        request=ProductsWriteSerializer,
        responses=ProductsUpsertedSerializer,
        filters=False,
        parameters=[],
    )
    def put(self, request: Request) -> Response:
        """Creates or updates up to 1000 products. For an existing product, only the given fields change.

        An invalid product is rejected without affecting the others; unchanged products are not touched. An inactive product stays inactive
        unless `is_active` is given.
        """
        serializer = ProductsWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        result = upsert_products(
            items=serializer.validated_data["products"],
            at=timezone.now(),
            currency=get_shop().currency,
            reserved_ids=RESERVED_IDS,
        )
        return Response({**result.build_response("product_id"), "inactive": result.inactive})


class ProductVectors(APIView):
    """Product vectors of any model, such as image embeddings. Training treats products with near vectors as similar."""

    required_scopes: ClassVar[dict[str, str]] = {"GET": "catalog:read", "POST": "catalog:write"}
    idempotent = True

    @extend_schema(operation_id="product_vectors", responses=VectorNameSerializer(many=True), tags=["products"])
    def get(self, request: Request) -> Response:
        """Lists the vector names with their dimension and number of products."""
        return Response(VectorNameSerializer(list_vector_names(), many=True).data)

    @extend_schema(
        operation_id="product_vectors_upsert",
        request=VectorsWriteSerializer,
        responses=ProductsWrittenSerializer,
        tags=["products"],
    )
    def post(self, request: Request) -> Response:
        """Creates or updates the vectors of up to 1000 products.

        An invalid vector is rejected without affecting the others; unchanged vectors are not touched.
        """
        serializer = VectorsWriteSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        body = serializer.validated_data
        items = [(item.get("product_id"), item.get("vector")) for item in body["vectors"]]
        try:
            result = upsert_vectors(
                name=body["name"],
                items=items,
                at=timezone.now(),
                other_fields={
                    index: [field for field in item if field not in FIELDS]
                    for index, item in enumerate(body["vectors"])
                },
            )
        except InvalidVectorNameError as error:
            raise ValidationError({"name": error.message}, code=error.code) from error
        return Response(result.build_response("product_id"))


@extend_schema_view(
    get=extend_schema(operation_id="product"),
    patch=extend_schema(operation_id="product_update", request=ProductChangeSerializer),
    delete=extend_schema(operation_id="product_deactivate"),
)
class ProductDetail(generics.GenericAPIView):
    """One product by its ID, which may contain slashes, or by its SKU if no product has it as its ID and only one as its SKU."""

    required_scopes: ClassVar[dict[str, str]] = {
        "GET": "catalog:read",
        "PATCH": "catalog:write",
        "DELETE": "catalog:write",
    }
    queryset = Product.objects.select_related("category")
    serializer_class = ProductSerializer
    lookup_field = "product_id"
    has_etag = True

    def get_object(self) -> Product:
        product = Product.objects.select_related("category").find(self.kwargs["product_id"])
        if product is None:
            raise NotFound
        return product

    def lock_product(self, request: Request) -> Product:
        """Return the product to change. With If-Match, it is locked, so that it is still the one that matches when it is written."""
        product = self.get_object()
        if "If-Match" in request.headers:
            Product.objects.select_for_update().filter(pk=product.pk).first()
            product = self.get_object()
            require_match(request, content=JSONRenderer().render(self.get_serializer(product).data))
        return product

    def get(self, request: Request, product_id: str) -> Response:
        """Returns the product."""
        return Response(self.get_serializer(self.get_object()).data)

    @transaction.atomic
    def patch(self, request: Request, product_id: str) -> Response:
        """Changes the given fields of the product, and no others. A draft becomes a product when it is activated."""
        product = self.lock_product(request)
        if not isinstance(request.data, Mapping):
            raise ValidationError(_("The body must be a JSON object."))
        if "product_id" in request.data:
            raise ValidationError({"product_id": _("The ID of a product cannot be changed.")}, code="immutable")
        problems = update_product(
            product_id=product.product_id, fields=request.data, at=timezone.now(), currency=get_shop().currency
        )
        if problems:
            raise ValidationError(build_field_errors(problems))
        return Response(self.get_serializer(self.get_object()).data)

    @transaction.atomic
    def delete(self, request: Request, product_id: str) -> Response:
        """Deactivates the product, which orders and events still refer to; repeating it changes nothing."""
        deactivate_product(product_id=self.lock_product(request).product_id, at=timezone.now())
        return Response(status=204)


class CategoryList(generics.ListAPIView):
    """Lists all categories, parents before their children."""

    has_etag = True
    required_scopes: ClassVar[dict[str, str]] = {"GET": "catalog:read"}
    ordering = "path"
    serializer_class = CategorySerializer
    filter_backends = ()
    query_parameters = PAGINATION_PARAMETERS

    def get_queryset(self) -> QuerySet[Category]:
        return annotate_product_counts(Category.objects.select_related("parent"))
