"""The page of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="analytics.demand",
        label=_("Demand"),
        url_name="demand:restock",
        permission="demand.view_restockitem",
        details=("demand:product", "demand:category", "demand:shop"),
    )
)
