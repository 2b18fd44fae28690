"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, MenuPage, register_pages

register_pages(
    MenuPage(
        tab="home.ask",
        label=_("Ask"),
        url_name="assistant:ask",
        permission="analytics.view_analyticsresult",
        order=30,
    ),
    MenuList(
        tab="settings.keys",
        model="oauth2_provider.Application",
        label=_("Connected programs"),
        order=20,
        empty=_("Programs such as Claude appear here once they register. You can also enter one by hand."),
    ),
)
