"""REST routes of behavior prediction, under ``/api/v1/``."""

from django.urls import path

from customers.intent.rest import api

urlpatterns = [
    path("customers/<path:user_id>/intent/", api.CustomerIntentView.as_view(), name="customer-intent"),
    path("visitors/<path:anonymous_id>/intent/", api.VisitorIntentView.as_view(), name="visitor-intent"),
]
