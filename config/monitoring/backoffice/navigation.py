"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="settings.jobs",
        label=_("Alarms"),
        url_name="monitoring:alarms",
        permission="monitoring.view_alarm",
        order=10,
        details=("monitoring:alarm",),
    ),
    MenuPage(
        tab="settings.jobs",
        label=_("Slow statements"),
        url_name="monitoring:slow_statements",
        permission="monitoring.view_alarm",
        order=20,
    ),
)
