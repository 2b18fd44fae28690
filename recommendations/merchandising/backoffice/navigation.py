"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="recommendations.rules",
        model="merchandising.Rule",
        order=10,
        empty=_("Rules pin, boost, bury or hide products in placements. Without rules, the model alone decides."),
    ),
)
