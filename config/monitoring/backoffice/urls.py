"""URLs of monitoring in the back office, below `admin/settings/monitoring/`."""

from django.contrib import admin
from django.urls import path

from config.monitoring.backoffice import alarm_pages, settings_pages, slow_statements_page

wrap = admin.site.admin_view

app_name = "monitoring"
urlpatterns = [
    path("alarms/", wrap(alarm_pages.show_alarms), name="alarms"),
    path("alarms/subscription/", wrap(settings_pages.change_subscription), name="subscription"),
    path("alarms/rules/", wrap(settings_pages.change_rules), name="rules"),
    path("alarms/webhooks/", wrap(settings_pages.add_webhook), name="add_webhook"),
    path("alarms/webhooks/<int:webhook_id>/delete/", wrap(settings_pages.delete_webhook), name="delete_webhook"),
    path("alarms/test/", wrap(settings_pages.send_test), name="test"),
    path("alarms/<int:alarm_id>/", wrap(alarm_pages.show_alarm), name="alarm"),
    path("alarms/<int:alarm_id>/acknowledge/", wrap(alarm_pages.acknowledge_alarm), name="acknowledge"),
    path("slow-statements/", wrap(slow_statements_page.show_slow_statements), name="slow_statements"),
]
