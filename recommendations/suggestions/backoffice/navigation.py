"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuPage, register_pages

register_pages(
    MenuPage(
        tab="home.suggestions",
        label=_("Suggestions"),
        url_name="suggestions:list",
        permission="suggestions.view_suggestiondecision",
    ),
)
