"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

LIFECYCLE_PAGES = {
    "overview": _("Overview"),
    "stages": _("Stages"),
    "rfm": _("RFM"),
    "value": pgettext_lazy("lifecycle", "Value"),
    "predictions": _("Predictions"),
    "clusters": _("Clusters"),
}

register_pages(
    *(
        MenuPage(
            tab="customers.lifecycle",
            label=label,
            url_name=f"admin:lifecycle_{name}",
            permission="lifecycle.view_customerprofile",
            order=10 * number,
            details=("admin:lifecycle_drilldown",) if name == "overview" else (),
        )
        for number, (name, label) in enumerate(LIFECYCLE_PAGES.items(), start=1)
    ),
    MenuList(tab="customers.lifecycle", model="lifecycle.StageTransition", order=90),
    MenuList(tab="settings.stages", model="lifecycle.StageRules", order=10),
    MenuList(tab="settings.jobs", model="lifecycle.LifecycleRun", order=20),
    MenuList(tab="settings.tables", model="lifecycle.CustomerProfile", order=10),
)
