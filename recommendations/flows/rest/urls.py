"""REST routes of flows, under ``/api/v1/``."""

from django.urls import path

from recommendations.flows.rest import api

urlpatterns = [
    path("flows/", api.FlowList.as_view(), name="flow-list"),
    path("flows/recipes/", api.RecipeList.as_view(), name="flow-recipes"),
    path("flows/recipes/<slug:recipe>/", api.RecipeUse.as_view(), name="flow-recipe"),
    path("flows/<slug:key>/", api.FlowDetail.as_view(), name="flow-detail"),
    path("flows/<slug:key>/publish/", api.FlowPublish.as_view(), name="flow-publish"),
    path("flows/<slug:key>/pause/", api.FlowPause.as_view(), name="flow-pause"),
    path("flows/<slug:key>/resume/", api.FlowResume.as_view(), name="flow-resume"),
    path("flows/<slug:key>/end/", api.FlowEnd.as_view(), name="flow-end"),
    path("flows/<slug:key>/results/", api.FlowResultsView.as_view(), name="flow-results"),
    path("flows/<slug:key>/entries/", api.FlowEntries.as_view(), name="flow-entries"),
]
