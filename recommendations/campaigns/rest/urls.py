"""REST routes of campaigns, under ``/api/v1/``."""

from django.urls import path

from recommendations.campaigns.rest import api

urlpatterns = [
    path("campaigns/", api.CampaignList.as_view(), name="campaigns"),
    path("campaigns/<slug:key>/", api.CampaignDetail.as_view(), name="campaign"),
    path("campaigns/<slug:key>/preview/", api.CampaignPreview.as_view(), name="campaign-preview"),
    path("campaigns/<slug:key>/audience.csv", api.CampaignAudience.as_view(), name="campaign-audience"),
]
