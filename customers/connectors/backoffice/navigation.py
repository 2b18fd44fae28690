"""The page of connectors in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="data.connectors",
        label=_("Connectors"),
        url_name="connectors:list",
        permission="connectors.view_shopconnection",
        order=10,
        details=("connectors:new", "connectors:shop", "connectors:keys", "connectors:preview", "connectors:disconnect"),
    )
)
