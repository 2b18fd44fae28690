"""Addresses of this room, under ``/api/v1/``."""

from django.urls import path

from customers.identity.api import ConsentList, CustomerDetail, CustomerList

urlpatterns = [
    path("customers/", CustomerList.as_view(), name="customer-list"),
    path("customers/<str:user_id>/", CustomerDetail.as_view(), name="customer-detail"),
    path("customers/<str:user_id>/consents/", ConsentList.as_view(), name="customer-consents"),
]
