"""URLs of behavior prediction in the back office, below `admin/analytics/behavior-prediction/`."""

from django.contrib import admin
from django.urls import path

from customers.intent.backoffice import quality_page

app_name = "intent"
urlpatterns = [path("", admin.site.admin_view(quality_page.show_quality), name="quality")]
