"""REST routes of outcomes, under ``/api/v1/``."""

from django.urls import path

from recommendations.outcomes.rest.api import OutcomesView

urlpatterns = [path("outcomes/", OutcomesView.as_view(), name="outcomes")]
