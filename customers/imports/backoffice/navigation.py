"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="data.imports",
        label=_("Imports"),
        url_name="imports:list",
        permission="imports.view_importrun",
        order=10,
        details=("imports:new", "imports:columns", "imports:run", "imports:undo"),
    ),
    MenuPage(
        tab="data.imports",
        label=_("Scheduled feeds"),
        url_name="imports:feeds",
        permission="imports.view_importrun",
        order=15,
        details=("imports:feed", "imports:new-feed"),
    ),
)
