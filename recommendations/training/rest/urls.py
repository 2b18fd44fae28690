from django.urls import path

from recommendations.training.rest.api import (
    ModelVersionDetailView,
    ModelVersionListView,
    PromoteModelVersionView,
    RollBackScenarioView,
)

urlpatterns = [
    path("models/", ModelVersionListView.as_view(), name="models"),
    path("models/roll-back/<slug:scenario>/", RollBackScenarioView.as_view(), name="models-roll-back"),
    path("models/<str:version>/", ModelVersionDetailView.as_view(), name="model"),
    path("models/<str:version>/promote/", PromoteModelVersionView.as_view(), name="model-promote"),
]
