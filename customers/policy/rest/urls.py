"""URLs of the privacy policy under ``/api/v1/``."""

from django.urls import path

from customers.policy.rest.api import PrivacyPolicy

urlpatterns = [path("privacy/policy/", PrivacyPolicy.as_view(), name="privacy-policy")]
