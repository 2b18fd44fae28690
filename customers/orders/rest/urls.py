"""REST routes of orders, under ``/api/v1/``."""

from django.urls import path

from customers.orders.rest import api
from customers.orders.rest.missing_products_api import MissingProductsView

# included before the catalog's URLs, because product IDs may contain slashes
product_urlpatterns = [path("products/missing/", MissingProductsView.as_view(), name="products-missing")]
urlpatterns = [
    path("orders/", api.OrderList.as_view(), name="orders"),
    path("orders/<path:order_id>/", api.OrderDetail.as_view(), name="order"),
]
