"""The page of destinations in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="data.destinations",
        label=_("Destinations"),
        url_name="destinations:list",
        permission="destinations.view_destination",
        order=10,
        details=("destinations:new", "destinations:page", "destinations:settings", "destinations:delete"),
    )
)
