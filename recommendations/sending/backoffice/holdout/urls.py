from django.contrib import admin
from django.urls import path

from recommendations.sending.backoffice.holdout import page

app_name = "holdout_report"

urlpatterns = [path("", admin.site.admin_view(page.show_holdout_report), name="show")]
