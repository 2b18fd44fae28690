"""URLs of the catalog below ``/api/v1/``."""

from django.urls import path

from catalog.rest import api

urlpatterns = [
    path("products/", api.ProductList.as_view(), name="products"),
    path("products/vectors/", api.ProductVectors.as_view(), name="product-vectors"),
    path("products/<path:product_id>/", api.ProductDetail.as_view(), name="product"),
    path("categories/", api.CategoryList.as_view(), name="categories"),
]
