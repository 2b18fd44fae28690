"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="settings.keys",
        model="access.ApiKey",
        order=10,
        empty=_("Create a key for each system that calls the API, with only the permissions that it needs."),
    ),
)
