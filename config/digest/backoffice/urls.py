"""URLs of the digest in the back office, below `admin/analytics/digest/`."""

from django.contrib import admin
from django.urls import path

from config.digest.backoffice import pages

wrap = admin.site.admin_view

app_name = "digest"
urlpatterns = [
    path("", wrap(pages.show_digest), name="digest"),
    path("preview/", wrap(pages.show_preview), name="preview"),
]
