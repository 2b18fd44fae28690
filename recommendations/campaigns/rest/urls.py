"""REST routes of campaigns, under ``/api/v1/``."""

from django.urls import path

from recommendations.campaigns.rest import api, state_api

urlpatterns = [
    path("campaigns/", api.CampaignList.as_view(), name="campaigns"),
    path("campaigns/<slug:key>/", api.CampaignDetail.as_view(), name="campaign"),
    path("campaigns/<slug:key>/preview/", api.CampaignPreview.as_view(), name="campaign-preview"),
    path("campaigns/<slug:key>/audience.csv", api.CampaignAudience.as_view(), name="campaign-audience"),
    path("campaigns/<slug:key>/launch/", state_api.CampaignLaunch.as_view(), name="campaign-launch"),
    path("campaigns/<slug:key>/pause/", state_api.CampaignPause.as_view(), name="campaign-pause"),
    path("campaigns/<slug:key>/resume/", state_api.CampaignResume.as_view(), name="campaign-resume"),
    path("campaigns/<slug:key>/cancel/", state_api.CampaignCancel.as_view(), name="campaign-cancel"),
    path("campaigns/<slug:key>/results/", state_api.CampaignResultsView.as_view(), name="campaign-results"),
    path("campaigns/<slug:key>/runs/", state_api.CampaignRuns.as_view(), name="campaign-runs"),
    path("campaigns/<slug:key>/deliveries/", state_api.CampaignDeliveries.as_view(), name="campaign-deliveries"),
]
