"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuList(
        tab="customers.orders",
        model="orders.Order",
        order=10,
        empty=_(
            "Import past orders, or send “Order Completed” events from your shop. Everything else is computed from orders."
        ),
        empty_action=(_("Import orders"), "imports:list"),
    ),
    MenuPage(
        tab="catalog.products",
        label=_("Missing products"),
        url_name="admin:orders_missing_products",
        permission="catalog.view_product",
        order=20,
    ),
    MenuList(
        tab="data.imports",
        model="orders.OrderImport",
        order=20,
        empty=_("Orders imported from the command line are listed here. Start a new import in the wizard."),
        empty_action=(_("Import orders"), "imports:list"),
    ),
)
