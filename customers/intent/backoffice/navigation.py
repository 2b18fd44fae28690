"""The page of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="analytics.behavior-prediction",
        label=_("Behavior prediction"),
        url_name="intent:quality",
        permission="intent.view_intentrun",
    )
)
