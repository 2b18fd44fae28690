"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="data.warehouse",
        model="warehouse.ExportRun",
        order=10,
        empty=_(
            "The nightly export has not run yet. It copies orders, events and products to files for training and analysis."
        ),
        empty_action=(_("Jobs"), "jobs:list"),
    ),
)
