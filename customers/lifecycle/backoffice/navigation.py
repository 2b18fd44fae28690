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

DETAILS = {
    "overview": ("admin:lifecycle_drilldown",),
    "stages": ("admin:lifecycle_stagetransition_changelist", "admin:lifecycle_stagetransition_change"),
}

register_pages(
    *(
        MenuPage(
            tab="customers.lifecycle",
            label=label,
            url_name=f"admin:lifecycle_{name}",
            permission="lifecycle.view_customerprofile",
            order=10 * number,
            details=DETAILS.get(name, ()),
        )
        for number, (name, label) in enumerate(LIFECYCLE_PAGES.items(), start=1)
    ),
    MenuList(
        tab="settings.stages",
        model="lifecycle.StageRules",
        order=10,
        empty=_("Stage rules are measured from the orders at the first refresh."),
        empty_action=(_("Jobs"), "jobs:list"),
    ),
    MenuList(
        tab="settings.jobs",
        model="lifecycle.LifecycleRun",
        order=20,
        menu_permission="django_celery_beat.view_periodictask",
        empty=_("Profiles are refreshed every night. The first run appears here."),
        empty_action=(_("Jobs"), "jobs:list"),
    ),
    MenuList(
        tab="settings.tables",
        model="lifecycle.CustomerProfile",
        order=10,
        menu_permission="django_celery_beat.view_periodictask",
        empty=_("Profiles are computed every night from the orders. Import orders, then run the refresh."),
        empty_action=(_("Jobs"), "jobs:list"),
    ),
)
