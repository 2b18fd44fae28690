"""URLs of the webhooks page."""

from django.contrib import admin
from django.urls import path

from recommendations.webhooks.backoffice import pages

app_name = "webhooks"
wrap = admin.site.admin_view
urlpatterns = [
    path("", wrap(pages.show_endpoints), name="endpoints"),
    path("<int:endpoint_id>/<slug:action>/", wrap(pages.change_endpoint), name="change"),
]
