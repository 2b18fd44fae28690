"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages
from customers.analytics.backoffice.access import VIEW
from customers.analytics.backoffice.question_pages import QUESTION_PAGES

# page → the tab that it shares, so that all tabs fit in one row
SHARED_TABS = {"sessions": "activity", "stickiness": "activity", "affinity": "products", "repeat": "products"}

register_pages(
    MenuPage(
        tab="analytics.overview",
        label=_("Overview"),
        url_name="analytics:overview",
        permission=VIEW,
        order=10,
        details=("analytics:dashboard", "analytics:report-card"),
    ),
    *(
        MenuPage(
            tab=f"analytics.{SHARED_TABS.get(page.tab, page.tab)}",
            label=page.label,
            url_name=f"analytics:{page.question}",
            permission=VIEW,
            order=20 if page.tab in SHARED_TABS else 10,
        )
        for page in QUESTION_PAGES.values()
    ),
)
