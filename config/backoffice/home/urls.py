from django.urls import path

from config.backoffice.home.page import draft_campaign

app_name = "home"
urlpatterns = [path("suggestions/<slug:key>/draft/", draft_campaign, name="draft-campaign")]
