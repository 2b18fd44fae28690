from django.contrib import admin
from django.urls import path

from recommendations.sending.backoffice import settings_pages

app_name = "sending_settings"

urlpatterns = [
    path("", admin.site.admin_view(settings_pages.show_sending_settings), name="show"),
    path("resume/", admin.site.admin_view(settings_pages.resume_after_restore), name="resume"),
]
