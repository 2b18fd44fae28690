"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="experiments.all",
        label=_("Experiments"),
        url_name="experiments:list",
        permission="experiments.view_experiment",
        order=10,
        details=("experiments:new", "experiments:experiment", "experiments:draft"),
    ),
)
