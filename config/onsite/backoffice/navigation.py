"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="data.sources",
        label=_("Install on your site"),
        url_name="onsite:install",
        permission="events.view_source",
        order=20,
    ),
)
