"""URLs of outcomes in the back office, below `admin/analytics/outcomes/`."""

from django.contrib import admin
from django.urls import path

from recommendations.outcomes.backoffice import page

wrap = admin.site.admin_view

app_name = "outcomes"
urlpatterns = [
    path("", wrap(page.show_outcomes), name="page"),
    path("<slug:key>.csv", wrap(page.download_csv), name="csv"),
    path("<slug:key>/computation/", wrap(page.change_computation), name="computation"),
]
