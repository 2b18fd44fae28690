from django.contrib import admin
from django.urls import path

from recommendations.past_campaigns.backoffice import pages

app_name = "past_campaigns"

own = admin.site.admin_view
urlpatterns = [
    path("", own(pages.show_campaigns), name="list"),
    path("<int:campaign_id>/", own(pages.show_campaign), name="campaign"),
]
