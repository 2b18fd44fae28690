"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuList(
        tab="customers.all",
        model="lifecycle.CustomerProfile",
        label=_("All customers"),
        order=10,
        details=("admin:lifecycle_customer",),
    ),
    MenuPage(
        tab="customers.lifecycle",
        label=_("Overview"),
        url_name="admin:lifecycle_overview",
        permission="lifecycle.view_customerprofile",
        order=10,
        details=("admin:lifecycle_drilldown",),
    ),
    MenuList(tab="customers.lifecycle", model="lifecycle.StageTransition", order=90),
    MenuList(tab="settings.stages", model="lifecycle.StageRules", order=10),
    MenuList(tab="settings.jobs", model="lifecycle.LifecycleRun", order=20),
)
