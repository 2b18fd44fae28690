"""REST routes of uplift, under ``/api/v1/``."""

from django.urls import path

from recommendations.uplift.rest.api import NextActionView

urlpatterns = [
    path("customers/<path:user_id>/next-action/", NextActionView.as_view(), name="customer-next-action"),
]
