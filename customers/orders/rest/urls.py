"""REST routes of orders, under ``/api/v1/``."""

from django.urls import path

from customers.orders.rest import api

urlpatterns = [
    path("orders/", api.OrderList.as_view(), name="orders"),
    path("orders/<path:order_id>/", api.OrderDetail.as_view(), name="order"),
]
