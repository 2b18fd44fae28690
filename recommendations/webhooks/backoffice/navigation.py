"""The page of webhooks in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="settings.keys",
        label=_("Webhooks"),
        url_name="webhooks:endpoints",
        permission="webhooks.view_webhookendpoint",
        order=60,
    )
)
