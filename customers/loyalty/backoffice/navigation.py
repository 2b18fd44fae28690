"""The pages of the loyalty program in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages
from customers.loyalty.backoffice.access import VIEW, VIEW_LEDGER, VIEW_RULES

register_pages(
    MenuPage(tab="customers.loyalty", label=_("Overview"), url_name="loyalty:overview", permission=VIEW, order=10),
    MenuPage(
        tab="customers.loyalty", label=_("Levels and rules"), url_name="loyalty:rules", permission=VIEW_RULES, order=20
    ),
    MenuPage(
        tab="customers.loyalty",
        label=_("Points ledger"),
        url_name="loyalty:ledger",
        permission=VIEW_LEDGER,
        order=30,
        details=("loyalty:adjust",),
    ),
)
