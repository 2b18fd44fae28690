"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages
from customers.privacy.backoffice.permissions import CHANGE_SETTINGS, VIEW

register_pages(
    MenuPage(
        tab="settings.privacy",
        label=_("Requests"),
        url_name="privacy_requests:list",
        permission=VIEW,
        order=10,
        details=("privacy_requests:request", "privacy_requests:new"),
    ),
    MenuPage(
        tab="settings.privacy",
        label=_("Request settings"),
        url_name="privacy_requests:settings",
        permission=CHANGE_SETTINGS,
        order=90,
    ),
)
