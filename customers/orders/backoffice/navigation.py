"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuList(tab="customers.orders", model="orders.Order", order=10),
    MenuPage(
        tab="catalog.products",
        label=_("Missing products"),
        url_name="admin:orders_missing_products",
        permission="catalog.view_product",
        order=20,
    ),
    MenuList(tab="data.imports", model="orders.OrderImport", order=20),
)
