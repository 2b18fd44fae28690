"""URLs of privacy requests in the back office, below `admin/settings/privacy/requests/`."""

from django.contrib import admin
from django.urls import path

from customers.privacy.backoffice import (
    action_views,
    decisions_page,
    list_page,
    new_request_page,
    request_page,
    settings_page,
)

wrap = admin.site.admin_view

app_name = "privacy_requests"
urlpatterns = [
    path("", wrap(list_page.show_requests), name="list"),
    path("new/", wrap(new_request_page.show_new_request), name="new"),
    path("settings/", wrap(settings_page.show_settings), name="settings"),
    path("decisions/<int:customer_id>/", wrap(decisions_page.show_decisions), name="decisions"),
    path("restrictions/<int:restriction_id>/lift/", wrap(action_views.lift), name="lift"),
    path("<int:request_id>/", wrap(request_page.show_request), name="request"),
    path("<int:request_id>/act/", wrap(action_views.act), name="act"),
    path("<int:request_id>/file/", wrap(action_views.download_file), name="file"),
    path("<int:request_id>/receipt/", wrap(action_views.download_receipt), name="receipt"),
]
