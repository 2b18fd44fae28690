"""The page of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages
from customers.analytics.backoffice.access import VIEW

register_pages(
    MenuPage(tab="analytics.outcomes", label=_("Outcomes"), url_name="outcomes:page", permission=VIEW, order=10)
)
