from django.contrib import admin
from django.urls import path

from config.retention.backoffice import pages

app_name = "retention"

urlpatterns = [
    path("", admin.site.admin_view(pages.show_periods), name="periods"),
]
