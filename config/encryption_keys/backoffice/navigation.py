"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="settings.audit",
        label=_("Encryption keys"),
        url_name="encryption_keys:overview",
        permission="encryption_keys.view_keyrotation",
        order=40,
    ),
)
