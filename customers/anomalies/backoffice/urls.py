"""URLs of anomalies in the back office, below `admin/analytics/anomalies/`."""

from django.contrib import admin
from django.urls import path

from customers.anomalies.backoffice import pages

wrap = admin.site.admin_view

app_name = "anomalies"
urlpatterns = [
    path("", wrap(pages.show_list), name="list"),
    path("<int:pk>/", wrap(pages.show_anomaly), name="anomaly"),
    path("<int:pk>/reason/", wrap(pages.change_reason), name="reason"),
    path("metrics/<slug:key>/", wrap(pages.show_metric), name="metric"),
]
