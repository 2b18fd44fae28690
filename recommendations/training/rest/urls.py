from django.urls import path

from recommendations.training.rest.api import ModelDetail, ModelList, Promote, RollBack

urlpatterns = [
    path("models/", ModelList.as_view(), name="models"),
    path("models/roll-back/<slug:scenario>/", RollBack.as_view(), name="models-roll-back"),
    path("models/<str:version>/", ModelDetail.as_view(), name="model"),
    path("models/<str:version>/promote/", Promote.as_view(), name="model-promote"),
]
