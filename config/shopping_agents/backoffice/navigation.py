"""The pages of shopping agents in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages
from config.shopping_agents.backoffice.access import VIEW

register_pages(
    MenuPage(
        tab="catalog.agents", label=_("Product feed"), url_name="shopping_agents:overview", permission=VIEW, order=10
    ),
    MenuPage(
        tab="catalog.agents",
        label=_("Agent traffic"),
        url_name="shopping_agents:traffic",
        permission=VIEW,
        order=20,
    ),
)
