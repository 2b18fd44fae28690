"""Addresses under /api/v1/."""

from django.urls import path

from recommendations.merchandising.rest.api import RuleDetail, RuleList

urlpatterns = [
    path("rules/", RuleList.as_view(), name="rules"),
    path("rules/<int:pk>/", RuleDetail.as_view(), name="rule"),
]
