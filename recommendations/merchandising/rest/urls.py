"""REST routes of rules, under ``/api/v1/``."""

from django.urls import path

from recommendations.merchandising.rest.api import RuleDetailView, RuleListView

urlpatterns = [
    path("rules/", RuleListView.as_view(), name="rules"),
    path("rules/<int:pk>/", RuleDetailView.as_view(), name="rule"),
]
