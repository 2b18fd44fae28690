"""URLs of uplift in the back office, below `admin/campaigns/uplift/`."""

from django.contrib import admin
from django.urls import path, re_path

from recommendations.uplift.backoffice import page

wrap = admin.site.admin_view

app_name = "uplift"
urlpatterns = [
    path("", wrap(page.show_uplift), name="page"),
    re_path("^segments/(?P<kind>write|do-not-write|lowers-orders)/$", wrap(page.save_segment), name="save-segment"),
]
