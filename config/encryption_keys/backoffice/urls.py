from django.contrib import admin
from django.urls import path

from config.encryption_keys.backoffice import pages

app_name = "encryption_keys"

urlpatterns = [
    path("", admin.site.admin_view(pages.show_keys), name="overview"),
]
