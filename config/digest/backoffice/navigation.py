"""The page of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.digest.subscribing import PERMISSION
from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="analytics.anomalies",
        label=_("Weekly digest"),
        url_name="digest:digest",
        permission=PERMISSION,
        order=200,
    )
)
