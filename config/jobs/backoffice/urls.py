from django.contrib import admin
from django.urls import path

from config.jobs.backoffice import pages

app_name = "jobs"

own = admin.site.admin_view
urlpatterns = [
    path("", own(pages.show_jobs), name="list"),
    path("<int:job_id>/", own(pages.show_job), name="job"),
    path("<int:job_id>/start/", own(pages.start), name="start"),
    path("<int:job_id>/cancel/", own(pages.cancel), name="cancel"),
]
