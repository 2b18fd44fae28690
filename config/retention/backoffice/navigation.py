"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="settings.privacy",
        label=_("Data retention"),
        url_name="retention:periods",
        permission="retention.change_retentionsetting",
        order=20,
    ),
)
