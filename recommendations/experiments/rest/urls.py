"""REST routes of experiments, under ``/api/v1/``."""

from django.urls import path

from recommendations.experiments.rest import api

urlpatterns = [
    path("experiments/", api.ExperimentList.as_view(), name="experiments"),
    path("experiments/<slug:key>/", api.ExperimentDetail.as_view(), name="experiment"),
    path("experiments/<slug:key>/results/", api.ExperimentResultsView.as_view(), name="experiment-results"),
    path("experiments/<slug:key>/start/", api.ExperimentStart.as_view(), name="experiment-start"),
    path("experiments/<slug:key>/stop/", api.ExperimentStop.as_view(), name="experiment-stop"),
    path("experiments/<slug:key>/promote/", api.ExperimentPromote.as_view(), name="experiment-promote"),
    path("experiments/<slug:key>/undo-promotion/", api.ExperimentUndo.as_view(), name="experiment-undo"),
]
