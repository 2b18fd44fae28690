"""The pages of flows in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="campaigns.flows",
        label=_("Flows"),
        url_name="flows:list",
        permission="flows.view_flow",
        order=10,
        details=(
            "flows:flow",
            "flows:part",
            "flows:step",
            "flows:add-step",
            "flows:people",
            "flows:dry-run",
            "flows:results",
            "flows:new",
        ),
    ),
    MenuPage(
        tab="campaigns.flows",
        label=_("Recipes"),
        url_name="flows:recipes",
        permission="flows.add_flow",
        order=20,
        details=("flows:recipe",),
    ),
)
