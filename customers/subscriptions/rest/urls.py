"""REST routes of forms, under ``/api/v1/``."""

from django.urls import path

from customers.subscriptions.rest import api

urlpatterns = [path("forms/newsletter/", api.NewsletterView.as_view(), name="newsletter-form")]
